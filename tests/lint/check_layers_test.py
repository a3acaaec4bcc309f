#!/usr/bin/env python3
"""check_layers.py finds what it is there for, and nothing in code that keeps the rules."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import check_layers  # noqa: E402


def findings(name, text):
    return [(line, rule) for line, rule, _ in check_layers.check_file(pathlib.Path(name), text)]


def function_of(lines, head="int Long(int x)"):
    return head + " {\n" + "  ++x;\n" * (lines - 2) + "}\n"


class Layering(unittest.TestCase):
    def test_include_from_above_is_found(self):
        self.assertEqual(findings("src/base/a.cc", '#include "ring/ring.h"\n'), [(1, "layering")])
        self.assertEqual(findings("src/supervisor/a.h", '\n#include "exceptions/chain.h"\n'), [(2, "layering")])
        self.assertEqual(findings("src/report/a.cc", "#include <tools/zxctl/verbs.h>\n"), [(1, "layering")])

    def test_every_pair_of_ranks(self):
        for low, below in enumerate(check_layers.RANKS):
            for high, above in enumerate(check_layers.RANKS):
                place = "tools/zxctl/a.cc" if below == "tools" else f"src/{below}/a.cc"
                found = findings(place, f'#include "{above}/a.h"\n')
                self.assertEqual(found, [(1, "layering")] if high > low else [], f"{below} includes {above}")

    def test_system_and_public_headers_are_free(self):
        self.assertEqual(findings("src/base/a.cc", "#include <sys/ptrace.h>\n#include <zircon/errors.h>\n"), [])

    def test_parent_directory_is_no_way_around(self):
        self.assertEqual(findings("src/base/a.cc", '#include "../ring/ring.h"\n'), [(1, "layering")])

    def test_link_from_above_is_found(self):
        text = "zx_library(zx_base\n  SOURCES a.cc\n  LIBS zx_ring fmt::fmt)\n"
        self.assertEqual(findings("src/base/CMakeLists.txt", text), [(3, "layering")])
        self.assertEqual(findings("src/report/CMakeLists.txt", text.replace("zx_base", "zx_report")), [])

    def test_unknown_folder_is_found(self):
        self.assertEqual(findings("src/misc/a.cc", "\n"), [(1, "layering")])


class Machine(unittest.TestCase):
    def test_macro_outside_arch_is_found(self):
        for macro in ("__x86_64__", "__aarch64__", "__riscv", "__riscv_xlen"):
            text = f"#if defined({macro})\n#endif\n"
            self.assertEqual(findings("src/base/a.h", text), [(1, "machine")])
            self.assertEqual(findings("src/arch/x86_64/a.h", text), [])

    def test_macro_in_a_comment_is_free(self):
        self.assertEqual(findings("src/base/a.h", "// not __x86_64__ here\n"), [])

    def test_machine_folder_from_outside_is_found(self):
        self.assertIn((1, "machine"), findings("src/ring/a.h", '#include "arch/x86_64/arch_machine.h"\n'))
        self.assertIn((1, "machine"), findings("tools/zxctl/a.cc", '#include "arch_machine.h"\n'))
        self.assertEqual(findings("src/arch/arch.h", '#include "arch_machine.h"\n'), [])


class Length(unittest.TestCase):
    def test_limit_is_exact(self):
        self.assertEqual(findings("src/base/a.cc", function_of(70)), [])
        self.assertEqual(findings("src/base/a.cc", function_of(71)), [(1, "length")])

    def test_functions_of_all_shapes(self):
        for head in ("TEST(Suite, Rule)", "Type::Type(int x) : x_(x)", "auto F(int x) -> int", "bool C::F(int x) const noexcept",
                     "Result<std::vector<int>> F(\n    int x)", "template <typename T>\nrequires true\nvoid F(T x)"):
            found = findings("src/base/a.cc", "namespace n {\n" + function_of(80, head) + "}\n")
            self.assertEqual([rule for _, rule in found], ["length"], head)

    def test_function_in_a_class_is_found(self):
        self.assertEqual([r for _, r in findings("src/base/a.h", "class C {\n" + function_of(80) + "};\n")], ["length"])

    def test_tables_and_types_are_not_functions(self):
        for head in ("constexpr int kTable[] =", "struct S", "enum class E : uint8_t", "namespace n",
                     "const std::map<int, int> kMap = "):
            self.assertEqual(findings("src/base/a.cc", head + " {\n" + "  1,\n" * 100 + "};\n"), [], head)

    def test_braces_in_text_do_not_confuse(self):
        text = 'const char* a = "{{{";\nchar b = \'{\';\n// {\n/* { */\nint c = 1\'000;\nconst char* d = R"x({)x";\n'
        self.assertEqual(findings("src/base/a.cc", text + function_of(70) + text + function_of(71)), [(83, "length")])

    def test_long_file_is_found(self):
        self.assertEqual(findings("src/base/a.cc", "int x;\n" * 500), [])
        self.assertEqual(findings("src/base/a.cc", "int x;\n" * 501), [(1, "length")])


class Leftovers(unittest.TestCase):
    def test_leftovers_are_found(self):
        for text in ("// TO" "DO: later", "# FIX" "ME", "#if" " 0", "TEST(A, DIS" "ABLED_B)"):
            self.assertEqual(findings("src/base/a.cc", text + "\n"), [(1, "leftovers")], text)

    def test_paths_of_a_machine_are_found(self):
        for text in ("/wo" "rk/main/a", "see /ho" "me/jane/x", "/ro" "ot/.cache"):
            self.assertEqual(findings("docs/a.md", text + "\n"), [(1, "leftovers")], text)
        self.assertEqual(findings("docs/a.md", "https://example.org/wo" "rk/a ~/wo" "rk /home/user/x /root\n"), [])


class WholeTree(unittest.TestCase):
    def test_exit_status_tells(self):
        with tempfile.TemporaryDirectory() as root:
            folder = pathlib.Path(root, "src/base")
            folder.mkdir(parents=True)
            (folder / "good.cc").write_text('#include "base/a.h"\n')
            self.assertEqual(self.run_on(root), 0)
            (folder / "bad.cc").write_text('#include "report/a.h"\n')
            self.assertEqual(self.run_on(root), 1)

    def test_an_empty_tree_is_an_error(self):
        with tempfile.TemporaryDirectory() as root:
            self.assertEqual(self.run_on(root), 1)

    def run_on(self, root):
        return subprocess.run([sys.executable, HERE / "check_layers.py", root], stdout=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    unittest.main()
