"""The attacks on IMAP and MIME that were tried on other servers, and for each the tests that show what ours does."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ATTACKS = "tests/interop/test_imap_attacks.py"
MAIL = "tests/interop/test_mail_attacks.py"
LIMITS = "tests/mailserver/imap/test_limits.py"
GRAMMAR = "tests/mailserver/imap/test_grammar.py"
TLS = "tests/mailserver/imap/test_tls.py"
SCANNER = "tests/foundation/mime/test_scanner.py"
STRUCTURE = "tests/mailserver/imap/test_structure.py"

TABLE = {
    "literal of 4 GB, 10 GB, 10^40 before sign-in": (
        f"{ATTACKS}::test_a_huge_literal_before_sign_in_ends_the_session",
        f"{LIMITS}::test_a_large_literal_before_sign_in_ends_the_session",
        f"{LIMITS}::test_many_literals_before_sign_in_end_the_session",
    ),
    "literal+ flood of 100 MB": (f"{ATTACKS}::test_a_flood_of_literal_octets_before_sign_in_is_cut_off",),
    "line of 50 MB": (
        f"{ATTACKS}::test_a_line_of_50_megabytes_is_cut_off",
        f"{LIMITS}::test_a_line_without_an_end_ends_the_session",
    ),
    "100 000 parentheses": (f"{ATTACKS}::test_a_hundred_thousand_parentheses_are_refused",),
    "ID with 20 000 parameters": (f"{ATTACKS}::test_id_with_20_000_parameters_is_refused",),
    "tab in base64": (f"{ATTACKS}::test_base64_that_is_not_strict_is_refused",),
    "LIST *a*a*a": (
        f"{ATTACKS}::test_list_patterns_cost_nothing",
        f"{GRAMMAR}::test_a_pattern_of_wildcards_is_matched_in_linear_time",
    ),
    "SEARCH NOT x50 000, parentheses, OR, ranges": (
        f"{ATTACKS}::test_a_search_program_is_bounded_in_depth_and_size",
        f"{ATTACKS}::test_a_search_program_over_the_line_limit_ends_the_session",
        f"{LIMITS}::test_parentheses_and_nots_without_end_are_bad",
    ),
    "THREAD in quadratic time": (f"{MAIL}::test_threads_are_made_in_linear_time",),
    "FETCH of depth 5000, partial overflow, BODY[] x3000": (
        f"{ATTACKS}::test_a_fetch_is_bounded_in_depth_items_and_numbers",
    ),
    "STORE of 2000 keywords, of 10 KB": (f"{ATTACKS}::test_flags_without_end_are_refused",),
    "CREATE ../../x, 5000 characters, 300 levels, bad mUTF-7, NUL": (
        f"{ATTACKS}::test_a_folder_name_is_never_a_path_and_never_odd",
        f"{ATTACKS}::test_a_folder_name_with_nul_is_refused",
        f"{GRAMMAR}::test_it_refuses_modified_utf7_that_is_not_canonical",
    ),
    "APPEND of 100 GB": (
        f"{ATTACKS}::test_an_append_of_100_gigabytes_is_refused_before_it_is_sent",
        f"{LIMITS}::test_a_message_too_large_is_refused_before_it_is_sent",
        f"{LIMITS}::test_messages_being_received_are_bounded_together",
    ),
    "APPEND cut in the middle": (f"{ATTACKS}::test_an_append_cut_in_the_middle_leaves_nothing",),
    "300 FETCH of 1 MB, never read": (
        f"{ATTACKS}::test_300_fetches_of_a_megabyte_that_nobody_reads_cost_nothing",
        f"{LIMITS}::test_a_client_that_reads_nothing_holds_back_only_itself",
    ),
    "COMPRESS": ("tests/interop/test_imap_capabilities.py::test_what_is_dangerous_is_not_offered",),
    "STARTTLS injection": (
        f"{ATTACKS}::test_commands_behind_starttls_are_not_carried_over",
        f"{TLS}::test_commands_injected_behind_starttls_end_the_connection",
    ),
    "brute force": (
        f"{ATTACKS}::test_a_guesser_is_slowed_down_and_locked_out",
        f"{LIMITS}::test_refused_sign_ins_are_counted",
    ),
    "400 half-open clients": (f"{ATTACKS}::test_400_clients_that_say_nothing_do_not_hold_up_the_next",),
    "10 000 nested multiparts, 100 000 parts, 5 MB headers, 50 000 addresses, RFC 2231, References": (
        f"{MAIL}::test_a_hostile_message_costs_no_more_than_its_octets",
        f"{SCANNER}::test_nesting_beyond_the_limit_is_one_opaque_part",
        f"{SCANNER}::test_parts_beyond_the_limit_are_one_opaque_part",
        f"{SCANNER}::test_headers_beyond_the_limit_make_an_opaque_message_with_the_true_body",
        f"{STRUCTURE}::test_a_list_of_a_hundred_thousand_addresses_is_cut",
        f"{STRUCTURE}::test_ten_thousand_parts_render_to_as_many_structures",
    ),
}


@pytest.mark.parametrize("attack", list(TABLE))
def test_each_attack_has_tests_that_are_there(attack: str) -> None:
    for node in TABLE[attack]:
        file, _, name = node.partition("::")
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert name in {
            each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        }, node
