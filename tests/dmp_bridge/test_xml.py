from __future__ import annotations

import time

import pytest
from lxml import etree

from dmp_bridge.xml import XmlFault, XmlLimits, local_name, namespace, parse, recoded


def test_it_reads_a_document_with_comments_and_instructions_before_the_root() -> None:
    root = parse(
        b"\xef\xbb\xbf\n<?xml version='1.0' encoding='utf-8'?><!-- <!DOCTYPE a> --><?pi x?><a xmlns='urn:x'>t</a>"
    )
    assert (local_name(root), namespace(root), root.text) == ("a", "urn:x", "t")


def test_it_reads_latin_1_as_declared() -> None:
    assert parse("<?xml version='1.0' encoding='ISO-8859-1'?><a>é</a>".encode("latin-1")).text == "é"


@pytest.mark.parametrize("name", ["Cp1252", "windows-1252", "ISO_8859-1", "iso8859-1", "latin1"])
def test_it_knows_the_names_programs_give_the_western_encodings(name: str) -> None:
    assert parse(f"<?xml version='1.0' encoding='{name}'?><a>é</a>".encode("cp1252")).text == "é"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8"])
def test_it_reads_utf_16_and_what_only_declares_it(encoding: str) -> None:
    data = "<?xml version='1.0' encoding='utf-16'?><a>é€</a>".encode(encoding)
    assert parse(recoded(data)).text == "é€"


def test_it_refuses_half_a_character_of_utf_16() -> None:
    with pytest.raises(XmlFault):
        recoded("<a>é</a>".encode("utf-16")[:-1])


@pytest.mark.parametrize(
    "data",
    [
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b'<?xml version="1.0"?>\n<!-- x --><!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b'<?xml version="1.0"?><?pi ?><!doctype a><a/>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "http://127.0.0.1:1/">]><a>&x;</a>',
    ],
)
def test_it_refuses_a_doctype_before_anything_is_expanded(data: bytes) -> None:
    with pytest.raises(XmlFault):
        parse(data)


def test_it_refuses_the_billion_laughs_at_once() -> None:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    data = f'<!DOCTYPE a [<!ENTITY l0 "ha">{entities}]><a b="&l11;">&l11;</a>'.encode()
    began = time.process_time()
    with pytest.raises(XmlFault, match="DOCTYPE"):
        parse(data)
    assert time.process_time() - began < 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-7", "cp037"])
def test_it_refuses_an_encoding_that_could_hide_a_doctype(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a><a/>'
    for data in (text.encode(encoding), text.encode("ascii")):
        with pytest.raises(XmlFault):
            parse(data)


def test_it_refuses_an_undefined_entity() -> None:
    with pytest.raises(XmlFault):
        parse(b"<a>&secret;</a>")


def test_it_holds_its_limits() -> None:
    limits = XmlLimits(size=2000, depth=5, elements=20)
    assert parse(b"<a><b><c><d><e/></d></c></b></a>", limits).tag == "a"
    for data in (b"<a>" * 6 + b"</a>" * 6, b"<a>" + b"<b/>" * 20 + b"</a>", b"<a>" + b" " * 2000 + b"</a>"):
        with pytest.raises(XmlFault):
            parse(data, limits)


def test_a_tower_of_elements_is_refused_and_harms_nothing() -> None:
    with pytest.raises(XmlFault):
        parse(b"<a>" * 100_000 + b"</a>" * 100_000)


@pytest.mark.parametrize(
    "data", [b"", b"   ", b"plain words", b"<a>", b"<?xml", b"<!-- never ends", b"\x00\x01"]
)
def test_what_is_not_xml_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(XmlFault):
        parse(data)


def test_a_large_text_such_as_a_pdf_in_base64_is_read() -> None:
    text = b"QUJD" * 4_000_000
    assert len(parse(b"<a>" + text + b"</a>").text or "") == len(text)


@pytest.mark.parametrize("data", [b"<a>" + b"<b/>" * 300 + b"</a>", b"<a" + b" b='c'" * 300 + b"/>"])
def test_what_is_beyond_its_limits_is_told_before_a_tree_is_built(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*_: object) -> None:
        raise AssertionError("a tree of thirty times the size")

    monkeypatch.setattr(etree, "fromstring", build)
    with pytest.raises(XmlFault, match="too many"):
        parse(data, XmlLimits(elements=50, attributes=100))
