"""Schematrons become stylesheets that find what the standard says they find."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lxml import etree

from dmp_bridge.check.schematron import SVRL, SchematronFault, read_schematron, translate

if TYPE_CHECKING:
    from pathlib import Path

saxonche = pytest.importorskip("saxonche", reason="saxonche (extra kit) is not installed")
ISO = 'xmlns="http://purl.oclc.org/dsdl/schematron"'
DOCUMENT = '<a><b n="1"/><b n="2"><c/></b></a>'


def run(folder: Path, text: str, document: str = DOCUMENT) -> list[tuple[str, str, str]]:
    """What a schematron finds: (role, location, words)."""
    path = folder / "main.sch"
    path.write_text(text, encoding="utf-8")
    sheet = translate(read_schematron(path, folder)).decode()
    processor = saxonche.PySaxonProcessor(license=False)
    compiled = processor.new_xslt30_processor().compile_stylesheet(stylesheet_text=sheet)
    result = compiled.transform_to_string(xdm_node=processor.parse_xml(xml_text=document))
    root = etree.fromstring(result.encode())
    assert root.tag == f"{{{SVRL}}}schematron-output"
    return [
        (each.get("role", ""), each.get("location", ""), " ".join("".join(each.itertext()).split()))
        for each in root
    ]


def schema(body: str, attributes: str = 'queryBinding="xslt2"') -> str:
    return f"<schema {ISO} {attributes}>{body}</schema>"


def test_assert_and_report_are_told_with_their_place_words_and_role(tmp_path: Path) -> None:
    text = schema("""<pattern><rule context="b"><let name="n" value="@n"/>
<assert test="$n = '1'" role="warning">n of <name/> is <value-of select="$n"/>, <emph>not</emph> 1.</assert>
<report test="c">It has a c.</report></rule></pattern>""")
    assert run(tmp_path, text) == [
        ("warning", "/Q{}a[1]/Q{}b[2]", "n of b is 2, not 1."),
        ("", "/Q{}a[1]/Q{}b[2]", "It has a c."),
    ]


def test_only_the_first_rule_of_a_pattern_that_matches_is_fired(tmp_path: Path) -> None:
    text = schema("""<pattern><rule context="b[@n='1']"><report test="true()">first</report></rule>
<rule context="b"><report test="true()">second</report></rule></pattern>
<pattern><rule context="b | c | @n"><report test="true()">other</report></rule></pattern>""")
    words = [words for _, _, words in run(tmp_path, text)]
    assert words == ["first", "second", "other", "other", "other", "other", "other"]


def test_abstract_rules_and_abstract_patterns_are_written_out(tmp_path: Path) -> None:
    text = schema("""<pattern abstract="true" id="has"><rule context="$where">
<assert test="$what" flag="info">$where has no <value-of select="'$what'"/>, $whatever.</assert></rule></pattern>
<pattern is-a="has" id="one"><param name="where" value="b"/><param name="what" value="c"/></pattern>
<pattern><rule abstract="true" id="never"><assert test="false()">extended</assert></rule>
<rule context="c"><extends rule="never"/></rule></pattern>""")
    assert [(role, words) for role, _, words in run(tmp_path, text)] == [
        ("info", "$where has no c, $whatever."),
        ("", "extended"),
    ]


def test_the_default_phase_says_which_patterns_are_active(tmp_path: Path) -> None:
    text = schema(
        """<phase id="p"><active pattern="on"/></phase>
<pattern id="on"><rule context="/"><report test="true()">on</report></rule></pattern>
<pattern id="off"><rule context="/"><report test="true()">off</report></rule></pattern>""",
        'queryBinding="xslt2" defaultPhase="p"',
    )
    assert [words for _, _, words in run(tmp_path, text)] == ["on"]


def test_a_variable_of_one_pattern_is_seen_by_the_others_unless_they_have_their_own(tmp_path: Path) -> None:
    pattern = '<rule context="/"><report test="true()"><value-of select="$x"/></report></rule></pattern>'
    text = schema(
        f"""<pattern><let name="x" value="'global'"/>{pattern}<pattern>{pattern}
<pattern><let name="x" value="'own'"/>{pattern}"""
    )
    assert [words for _, _, words in run(tmp_path, text)] == ["global", "global", "own"]


def test_functions_of_the_stylesheet_language_are_kept(tmp_path: Path) -> None:
    text = schema("""<ns prefix="f" uri="urn:f"/>
<xsl:function xmlns:xsl="http://www.w3.org/1999/XSL/Transform" name="f:twice"><xsl:param name="n"/>
<xsl:sequence select="number($n) * 2"/></xsl:function>
<pattern><rule context="b"><report test="f:twice(@n) = 4">four</report></rule></pattern>""")
    assert [words for _, _, words in run(tmp_path, text)] == ["four"]


def test_a_schematron_of_the_first_binding_is_read_as_xpath_1(tmp_path: Path) -> None:
    text = schema('<pattern><rule context="a"><report test="b/@n + 1 = 2">one</report></rule></pattern>', "")
    assert [words for _, _, words in run(tmp_path, text)] == ["one"]


def test_inclusions_are_relative_to_the_file_they_stand_in(tmp_path: Path) -> None:
    (tmp_path / "parts" / "deep").mkdir(parents=True)
    (tmp_path / "parts" / "p.sch").write_text(f'<pattern {ISO}><include href="deep/r.sch"/></pattern>')
    (tmp_path / "parts" / "deep" / "r.sch").write_text(
        f'<rule {ISO} context="c"><extends href="x.sch#e"/></rule>'
    )
    (tmp_path / "parts" / "deep" / "x.sch").write_text(
        f'<schema {ISO}><pattern><rule abstract="true" id="e"><report test="true()">deep</report></rule></pattern></schema>'
    )
    assert [words for _, _, words in run(tmp_path, schema('<include href="parts/p.sch"/>'))] == ["deep"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("<a", "lisible"),
        ("<a/>", "schématron"),
        ('<!DOCTYPE a SYSTEM "http://elsewhere.example/a.dtd"><a/>', "lisible"),
        (schema('<include href="nowhere.sch"/>'), "introuvable"),
        (schema('<include href="../../../../etc/hostname"/>'), "hors du dossier"),
        (schema('<include href="main.sch"/>'), "finissent pas"),
        (schema('<pattern is-a="nothing"/>'), "introuvable"),
        (schema('<pattern><rule context="a"><extends rule="nothing"/></rule></pattern>'), "introuvable"),
    ],
)
def test_what_is_no_schematron_is_refused_in_one_sentence(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(SchematronFault, match=word):
        run(tmp_path, text)


def test_a_schematron_tells_for_which_models_it_is(tmp_path: Path) -> None:
    path = tmp_path / "m.sch"
    path.write_text(
        schema("""<pattern><rule context="cda:ClinicalDocument">
<assert test="cda:templateId[@root='1.2.250.1.213.1.1.1.1']"/>
<assert test="cda:templateId[@root='1.2.250.1.213.1.1.1.29' and @extension='2022.01']"/>
<assert test="cda:templateId[@root = &quot;1.2.3&quot;]"/></rule></pattern>""")
    )
    assert read_schematron(path, tmp_path).models == {("1.2.250.1.213.1.1.1.29", "2022.01"), ("1.2.3", "")}
