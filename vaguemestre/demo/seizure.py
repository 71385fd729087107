"""The seizure: an emergency access that is traced and told, and a neurologist who is found in the directory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2

from vaguemestre import fictive
from vaguemestre.demo.address_book import search, thunderbird_filter
from vaguemestre.demo.letters import read, sha1, text_of, write
from vaguemestre.demo.mail_program import submit
from vaguemestre.demo.stage import ATTENDING_DOCTOR, EMERGENCY_DOCTOR, MOTIVE, NEUROLOGIST, THOMAS, VALERIE
from vaguemestre.demo.telling import NotProved, eventually, must

if TYPE_CHECKING:
    from email.message import EmailMessage

    from vaguemestre.demo.stage import Stage

_EMAIL = "maman-72@courriel.example"
_TOLD = "Un professionnel a consulté le dossier en urgence."
_NEUROLOGY = "SM32"


def the_emergency_doctor_enters(stage: Stage) -> None:
    """Refused in normal mode, in by bris de glace with a motive; what is masked stays masked."""
    tell = stage.telling
    tell.step("Une crise d'épilepsie : le médecin urgentiste entre en bris de glace")
    tell.say(
        "Valérie a demandé à être avertie par courriel. Thomas arrive inconscient aux urgences. Le Dr Karim BENALI n'est "
        "pas autorisé sur son dossier ; il y entre en urgence, avec un motif que la famille lira."
    )
    form = stage.family.of_record("/avis").form("/avis")
    if form is None:
        raise NotProved("la page des avis n'a pas le formulaire des préférences.")
    must(stage.family.send(form, {"email": _EMAIL}).status_code == 303, "l'adresse de courriel est refusée.")
    with stage.site(fictive.EMERGENCY_DOCTOR) as site:
        answer = site.answer("/documents")
        must(answer.status_code == 403, f"sans autorisation la liste répond {answer.status_code}, non 403.")
        tell.proved("sans autorisation : 403, rien n'est montré")
        answer = site.say("/urgence", mode="bris_de_glace", motive="  ")
        must(answer.status_code == 403, f"un accès sans motif répond {answer.status_code}, non 403.")
        tell.proved("bris de glace sans motif : refusé (403)")
        answer = site.say("/urgence", mode="bris_de_glace", motive=MOTIVE)
        must(answer.status_code == 303, f"le bris de glace répond {answer.status_code}.")
        listed, also = site.documents(), site.documents("?aussi=masques")
        for name in ("vsm", "liaison", "plan"):
            must(stage.papers[name].title in listed, f"« {stage.papers[name].title} » manque en urgence.")
        masked = stage.papers["masked"]
        must(
            masked.title not in listed and masked.title not in also, "l'urgentiste voit la synthèse masquée."
        )
        got = site.read(stage.papers["liaison"].title)
        must(got == stage.papers["liaison"].written.data, "le DLU lu aux urgences n'est pas celui de l'IME.")
        must("Terminer l’accès en urgence" in site.page("/documents").text, "la page ne dit pas l'urgence.")
        must(site.say("/fin").status_code == 303, "l'accès en urgence ne se termine pas.")
    tell.proved(f"avec motif : {len(listed)} documents ; DLU lu, SHA-1 égale à l'original : {sha1(got)}")
    tell.proved(
        "la synthèse psychiatrique masquée n'y est pas, même demandée (la famille ne l'a pas permis en urgence)"
    )


def the_access_is_told(stage: Stage) -> None:
    """The trace with its motive, and the notices: to the family, by e-mail without a name, to the attending doctor."""
    tell = stage.telling
    tell.step("L'accès en urgence est tracé, et ceux qui doivent le savoir sont avertis")
    person = fictive.EMERGENCY_DOCTOR
    words = stage.family.of_record("/activite?qui=professionnels").text
    for said in (
        f"{person.first_name} {person.last_name}",
        fictive.HOSPITAL.name,
        f"Motif : {MOTIVE}",
        "Lecture d’un document urgence",
        "Recherche de documents refusé",
    ):
        must(said in words, f"l'historique des accès ne dit pas « {said} ».")
    tell.proved(
        f"historique que lit la famille : {person.first_name} {person.last_name}, urgence, « Motif : {MOTIVE} », et l'essai refusé"
    )
    must(_TOLD in stage.family.of_record("/avis").text, "la famille n'a pas d'avis de l'accès en urgence.")
    tell.proved(f"avis dans l'espace de Thomas, lu par sa mère : « {_TOLD} »")
    folder = stage.sandbox.home / "notices"

    def mailed() -> EmailMessage | None:
        found = [read(file.read_bytes()) for file in folder.glob("*.eml")]
        return next((each for each in found if each["To"] == _EMAIL and _TOLD in text_of(each)), None)

    notice = eventually(mailed, "la mère de Thomas n'a pas reçu de courriel.")
    for word in (THOMAS.ins, VALERIE.ins, THOMAS.birth_name, "Thomas", "BENALI", "http"):
        must(word.lower() not in notice.as_string().lower(), f"le courriel ordinaire contient « {word} ».")
    tell.proved(f"courriel à {_EMAIL} : « {notice['Subject']} », sans nom, sans lien, sans donnée de santé")
    program = stage.program(ATTENDING_DOCTOR)

    def received() -> EmailMessage | None:
        with program.inbox() as inbox:
            found = inbox.find("Message-ID", "<urgence.")
            return read(inbox.fetch(found[-1])) if found else None

    told = eventually(received, "le médecin traitant n'a pas reçu d'avis par MSSanté.")
    must(
        THOMAS.birth_name in text_of(told) and EMERGENCY_DOCTOR.idnat in text_of(told),
        "l'avis au médecin traitant ne dit pas qui est entré, ni chez qui.",
    )
    tell.proved(
        f"IMAP, boîte du Dr Lefèvre : « {told['Subject']} », qui nomme le patient et le professionnel"
    )


def the_neurologist_is_found(stage: Stage) -> None:
    """In the directory, by FHIR for the speciality and by LDAP as a mail program completes a recipient."""
    tell = stage.telling
    tell.step("Un rendez-vous avec un neurologue, trouvé dans l'annuaire")
    tell.say(
        "Le Dr BENALI cherche un neurologue de l'hôpital dans son logiciel (annuaire FHIR), tape son nom dans "
        "Thunderbird (annuaire LDAP), et lui écrit."
    )
    address = _mailbox_by_fhir(stage, _NEUROLOGY)
    must(address == NEUROLOGIST.address, f"l'annuaire FHIR donne « {address} » pour la neurologie.")
    tell.proved(f"FHIR, Practitioner?qualification-code={_NEUROLOGY}, puis son PractitionerRole : {address}")
    text, condition = thunderbird_filter("camille roussel")
    found = search(stage.sandbox, condition)
    must(
        [each["mail"] for each in found] == [[NEUROLOGIST.address]],
        f"le filtre de Thunderbird trouve {len(found)} boîtes, non celle de la neurologue.",
    )
    tell.proved(f"LDAP sur TLS, {text} : {found[0]['mail'][0]}")
    letter = write(
        EMERGENCY_DOCTOR,
        [(NEUROLOGIST.name, NEUROLOGIST.address)],
        "Rendez-vous après une première crise",
        "Chère consœur,\n\nPouvez-vous voir cet enfant demain ? Son dossier a le détail.\n\nDr Karim Benali\n",
    )
    with stage.program(EMERGENCY_DOCTOR).starttls() as smtp:
        reply = submit(smtp, EMERGENCY_DOCTOR.address, [address], letter.data)
    must(reply.code == 250, f"le message au neurologue est refusé : {reply}")
    with stage.program(NEUROLOGIST).inbox() as inbox:
        must(len(inbox.find("Message-ID", letter.message_id)) == 1, "la neurologue n'a pas reçu le message.")
    tell.proved("le message est dans la boîte de la neurologue (IMAP SEARCH HEADER Message-ID)")


def _mailbox_by_fhir(stage: Stage, skill: str) -> str:
    """The address of the first professional with this skill."""
    with httpx2.Client(
        base_url=stage.sandbox.described["directory"]["fhir"], verify=stage.sandbox.tls()
    ) as client:

        def first(kind: str, **asked: str) -> dict[str, Any]:
            answer = client.get(f"/{kind}", params=asked)
            must(answer.status_code == 200, f"l'annuaire FHIR répond {answer.status_code}.")
            found = [each["resource"] for each in answer.json().get("entry", [])]
            must(found, f"l'annuaire FHIR n'a pas de {kind}.")
            return dict(found[0])

        person = first("Practitioner", **{"qualification-code": skill})
        number = person["identifier"][0]["value"]
        role = first("PractitionerRole", **{"practitioner.identifier": number})
    return next((str(each["value"]) for each in role.get("telecom", []) if "@" in each.get("value", "")), "")
