#!/usr/bin/env python3
"""The check of docs/EVIDENCE.md finds what it looks for."""
import unittest

import check_evidence

TEXT = """
- one
  `./dev test -R Known`; `./dev fuzz some_fuzz`
- two
  `./dev test -R '^Known|Gone(A|B)|Other'`
"""


class CheckEvidence(unittest.TestCase):
    def test_every_regex_is_found(self):
        self.assertEqual(check_evidence.regexes(TEXT), ["Known", "^Known|Gone(A|B)|Other"])

    def test_a_part_without_a_test_is_a_mistake(self):
        found = check_evidence.mistakes(TEXT, ["Known.One", "AnOther"], lambda name: True)
        self.assertEqual(found, ["no test matches Gone(A|B)"])

    def test_a_fuzz_target_without_a_file_is_a_mistake(self):
        found = check_evidence.mistakes(TEXT, ["Known.One", "GoneA", "Other"], lambda name: False)
        self.assertEqual(found, ["there is no fuzz target some_fuzz"])

    def test_tests_of_another_machine_are_looked_for_in_the_sources(self):
        text = "- one\n  `./dev test --machine arm64 -R 'Far|Lost'`\n"
        self.assertEqual(check_evidence.regexes(text), [])
        found = check_evidence.mistakes(text, ["Lost.One"], lambda name: True, ["Far.One"])
        self.assertEqual(found, ["no test matches Lost"])


if __name__ == "__main__":
    unittest.main()
