#!/usr/bin/env python3
"""The checks themselves: each finds what it is there to find. A check that finds nothing in bad code guards nothing."""
import os, sys, unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/mutants"))
import check_layers, guards, make_error_pages, sources, tidy  # noqa: E402


def arrow(path, header):
    problems = []
    check_layers.check_own(path, 1, header, problems)
    return problems


class Layers(unittest.TestCase):
    def test_arrows_that_point_up_are_found(self):
        for path, header in [("core/io.cc", "delta/format/payload.h"), ("delta/apply/a.cc", "delta/diff/differ.h"),
                             ("device/a.cc", "delta/diff/differ.h"), ("device/a.cc", "server/model/target.h"),
                             ("device/a.cc", "core/http/server.h"), ("device/a.cc", "core/kv/kv.h"),
                             ("device/a.cc", "bootloader/other.h"), ("cdn-edge/fill.cc", "delta/format/payload.h"),
                             ("server/choose/a.cc", "delta/diff/differ.h"), ("packer/main.cc", "tests/support/x.h"),
                             ("server/cli/main.cc", "device/agent/step.h"), ("core/json/a.cc", "core/http/client.h"),
                             ("bootloader/boot_state.c", "core/bytes.h"), ("packer/main.cc", "neighbour.h")]:
            self.assertTrue(arrow(path, header), f"{path} includes {header}")

    def test_arrows_that_point_down_are_left_alone(self):
        for path, header in [("device/a.cc", "delta/apply/applier.h"), ("device/a.cc", "bootloader/boot_state.h"),
                             ("server/cli/fleet/x.cc", "device/agent/step.h"), ("core/tuf/a.cc", "core/json/json.h"),
                             ("tests/server/x_test.cc", "tests/support/x.h"), ("core/chunklist.h", "core/crypto/a.h")]:
            self.assertEqual(arrow(path, header), [])

    def test_a_third_party_header_stands_in_its_folder_only(self):
        for path, header, bad in [("device/a.cc", "openssl/evp.h", True), ("core/crypto/a.cc", "openssl/a.h", False),
                                  ("server/a.cc", "boost/asio.hpp", True), ("server/a.cc", "sys/socket.h", False)]:
            problems = []
            check_layers.check_third_party(path, 1, header, problems, {})
            self.assertEqual(bool(problems), bad, f"{path} {header}")


class Tidy(unittest.TestCase):
    def calls(self, path, line):
        problems = []
        tidy.check_calls(path, line, problems)
        return problems

    def test_banned_calls_are_found_in_code(self):
        for path, line in [("server/a.cc", "strcpy(a, b);"), ("server/a.cc", "std::system(text);"),
                           ("server/a.cc", "int x = rand();"), ("server/a.cc", "n = atoi(s);"),
                           ("tests/a_test.cc", "std::this_thread::sleep_for(1s);"), ("device/a.cc", "double x = 0;"),
                           ("device/a.cc", "#include <iostream>"), ("server/a.h", "using namespace std;")]:
            self.assertTrue(self.calls(path, line), line)

    def test_comments_literals_and_excused_lines_are_left_alone(self):
        for path, line in [("server/a.cc", "// never strcpy(a, b)"), ("server/a.cc", 'Log("system(x)");'),
                           ("tests/a_test.cc", "sleep_for(1s);  // tidy: allow(sleep) the peer is not ours"),
                           ("server/a.cc", "snprintf(a, 4, b);"), ("server/a.cc", "double x = 0;"),
                           ("device/a.cc", "const int n = 1'000'000; // double"), ("server/a.cc", "my.system(x);")]:
            self.assertEqual(self.calls(path, line), [], line)

    def test_lines_and_shapes(self):
        problems = []
        tidy.check_lines("a.cc", "x" * 121 + "\n// TO" + "DO later\n", problems)
        self.assertEqual(len(problems), 2)
        problems = []
        tidy.check_shape("server/a.cc", "\n" * 601, problems, [])
        tidy.check_shape("server/a_manager.h", "#pragma once\n", problems, [])
        self.assertEqual(len(problems), 2)


class Pages(unittest.TestCase):
    def test_a_table_that_clang_format_broke_is_read(self):
        text = ('// Why.\ninline constexpr Fault kA{"T4001", "one",\n    "two "\n    "three"};\n'
                'inline constexpr Fault kB = {"T4002", "a \\"b\\"", "c"};\n')
        found = list(make_error_pages.FAULT.finditer(text))
        self.assertEqual([m[2] for m in found], ["kA", "kB"])
        self.assertEqual(make_error_pages.text_of(found[0][5]), "two three")
        self.assertEqual(make_error_pages.text_of(found[1][4]), 'a "b"')


class Code(unittest.TestCase):
    def test_line_numbers_survive(self):
        self.assertEqual(sources.code('a /* x\ny */ "s" // c\nb').count("\n"), 2)


class Mutants(unittest.TestCase):
    def shapes(self, path, code):
        found, text = guards.scan(path, code)
        for guard in found:
            self.assertEqual(text.count(f"till_guard(0x{guard.id}u)"), 1)
        return [guard.text for guard in found], text

    def test_each_side_of_a_condition_is_a_guard(self):
        found, text = self.shapes("delta/apply/a.cc", 'Status F() {\n  if (a > b || c.empty()) {\n    Log("x; }");\n'
                                  '    return Error{ErrorCode::kCorrupt, "no"};\n  }\n  return Ok();\n}\n')
        self.assertEqual(len(found), 2)
        self.assertRegex(text, r"if \(\(\(a > b\) && till_guard\(\w+\)\) \|\| \(\(c\.empty\(\)\) && till_guard")
        self.assertEqual(text.count("\n"), 9)   # a prelude of two lines; the rest keeps its lines

    def test_checks_predicates_and_the_boot_codes_zeros_are_guards(self):
        self.assertEqual(len(self.shapes("core/tuf/a.cc", "Status F() {\n  TILL_TRY(CheckIt(a, b));\n}\n")[0]), 1)
        self.assertEqual(len(self.shapes("core/tuf/a.cc", "bool F() {\n  return a == b && c;\n}\n")[0]), 2)
        self.assertEqual(len(self.shapes("bootloader/a.c", "int F(void) {\n  if (a < 3) return 0;\n}\n")[0]), 1)

    def test_what_refuses_nothing_is_left_alone(self):
        for code in ["if (a) return Ok();", "if (auto* b = f()) return Error{ErrorCode::kCorrupt, b->c};",
                     "// if (a) return Error{ErrorCode::kCorrupt, 0};", 'Log("if (a) return Corrupt(1);");',
                     'if (a) return Error{ErrorCode::kIo, "disk"};', "TILL_TRY(file.Sync());"]:
            self.assertEqual(self.shapes("delta/apply/a.cc", "Status F() {\n  " + code + "\n}\n")[0], [], code)

    def test_an_id_stays_when_code_moves_and_changes_with_its_guard(self):
        one = "Status F() {\n  if (a) return Corrupt(1);\n}\n"
        codes = (one, "// more\n\n" + one, one.replace("a", "b"))
        ids = [guards.scan("delta/apply/a.cc", code)[0][0].id for code in codes]
        self.assertEqual(ids[0], ids[1])
        self.assertNotEqual(ids[0], ids[2])


if __name__ == "__main__":
    unittest.main()
