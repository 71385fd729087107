"""Reads the acknowledgement of an MDM message: taken, refused for good with a code 900 to 906, or not now."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dmp_bridge.codes import ErrorCode
from dmp_bridge.hl7 import er7


class Answer(StrEnum):
    """MSA-1 (HL7 table 0008), the enhanced mode read like the original one."""

    ACCEPTED = "AA"
    ERROR = "AE"
    REJECTED = "AR"
    """For a reason of the moment: "il peut être réémis plus tard"."""


_ANSWERS: Final = {
    "AA": Answer.ACCEPTED,
    "CA": Answer.ACCEPTED,
    "AE": Answer.ERROR,
    "CE": Answer.ERROR,
    "AR": Answer.REJECTED,
    "CR": Answer.REJECTED,
}
_CODES: Final = {code.value: code for code in ErrorCode}


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What the other system says. `code` is why it refuses; `condition` is ERR-3 (HL7 table 0357), "" without one."""

    answer: Answer
    control_id: str
    code: ErrorCode | None = None
    condition: str = ""

    @property
    def is_final(self) -> bool:
        """Whether sending the same message again would bring nothing else."""
        return self.answer is not Answer.REJECTED or self.code is not None


# ref: DMP-F40, F44
def read_acknowledgement(data: bytes) -> Acknowledgement:
    """The acknowledgement in `data`. Raises `er7.Malformed`."""
    message = er7.read(data)
    msa = message.first("MSA")
    answer = _ANSWERS.get(msa.get(1).strip().upper()) if msa is not None else None
    if msa is None or answer is None:
        raise er7.Malformed("The message is no acknowledgement.")
    control_id = msa.get(2).strip()
    if answer is Answer.ACCEPTED:
        return Acknowledgement(answer, control_id)
    errors = message.all("ERR")
    told = [_CODES[text] for error in errors if (text := error.get(5).strip()) in _CODES]
    condition = next((text for error in errors if (text := error.get(3).strip()[:8])), "")
    # A technical refusal (100 to 207) has no code of its own for the sender of the mail.
    code = told[0] if told else (ErrorCode.OTHER if answer is Answer.ERROR else None)
    return Acknowledgement(answer, control_id, code, condition)
