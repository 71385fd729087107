from __future__ import annotations

import pytest

from dmp_bridge.cda import CdaRefused
from dmp_bridge.render import render_narrative
from tests.dmp_bridge.builders import cda, n3_body
from tests.shared_data import shared


def rendered(text: str, title: str = "Titre") -> str:
    return render_narrative(cda(body=n3_body((title, text))))


def test_titles_and_narrative_become_plain_html() -> None:
    assert rendered(
        '<paragraph>Avant <content styleCode="Bold">gras</content> après<br/></paragraph>'
        '<list listType="ordered"><item>un</item></list><list><item>deux</item></list>'
    ) == (
        "<h2>Titre</h2>\n<div><p>Avant <strong>gras</strong> après<br></p>"
        "<ol><li>un</li></ol><ul><li>deux</li></ul></div>\n"
    )


def test_a_section_without_a_title_has_no_heading() -> None:
    assert rendered("<paragraph>a</paragraph>", title=" ") == "<div><p>a</p></div>\n"


def test_the_caption_of_a_list_stands_before_it_and_that_of_a_table_within() -> None:
    assert rendered("<list><caption>À <content>faire</content></caption><item>un</item></list>") == (
        "<h2>Titre</h2>\n<div><p>À faire</p><ul><li>un</li></ul></div>\n"
    )
    assert "<table>Doses<tr>" in rendered("<table><caption>Doses</caption><tr><td>a</td></tr></table>")


def test_a_table_keeps_only_its_spans() -> None:
    assert rendered(
        '<table onclick="x"><tr><td colspan="2" style="color:red" rowspan="x">a</td></tr></table>'
    ) == ('<h2>Titre</h2>\n<div><table><tr><td colspan="2">a</td></tr></table></div>\n')


# ref: DMP-F39
@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '<linkHtml href="javascript:alert(1)">lien</linkHtml>',
        '<h:script xmlns:h="http://www.w3.org/1999/xhtml">alert(1)</h:script>',
        '<h:img xmlns:h="http://www.w3.org/1999/xhtml" src="http://elsewhere.example/x"/>',
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        '<content styleCode="&quot;&gt;&lt;script&gt;">a</content>',
        '<renderMultiMedia referencedObject="x"/>',
    ],
)
def test_nothing_active_passes(hostile: str) -> None:
    html = rendered(f"<paragraph>{hostile}</paragraph>", title="&lt;script&gt;")
    for word in ("<script", "<img", "<a", "href", "src", "javascript:"):
        assert word not in html


def test_sections_within_sections_are_read_in_order() -> None:
    inner = "</text><component><section><title>Dedans</title><text>b</text></section></component><text>"
    html = rendered(f"a{inner}", title="Dehors").replace("\n", "")
    assert (
        html.index("<h2>Dehors</h2>")
        < html.index("a</div>")
        < html.index("<h3>Dedans</h3>")
        < html.index(">b<")
    )


def test_an_n1_has_no_narrative() -> None:
    assert render_narrative(cda()) == ""


def test_what_is_no_cda_is_refused() -> None:
    with pytest.raises(CdaRefused):
        render_narrative(b"<a/>")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("LDL-SES_2022.01.xml", ("<h2>Motif de l&#x27;hospitalisation</h2>", "Infection respiratoire aigüe")),
        ("VSM_1.4_2022.01.xml", ("<table>",)),
        ("BIO-CR-BIO_2021.01_Auto-Presentable.xml", ("<table>",)),
        ("DLU-EHPAD-DLU_2022.01.xml", ("<table>",)),
    ],
)
def test_the_official_examples_can_be_read_by_a_person(name: str, words: tuple[str, ...]) -> None:
    html = render_narrative(shared("cda", name).read_bytes())
    assert all(word in html for word in words)
    assert html.count("<td") == html.count("</td>")
