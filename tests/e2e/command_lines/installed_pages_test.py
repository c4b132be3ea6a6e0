#!/usr/bin/env python3
"""usage: installed_pages_test.py BUILD PROGRAM

A program that is installed names a page of the error that can be read there; one that is not names the sources'."""
import os, re, shutil, subprocess, sys, tempfile


def page_named_by(program):
    done = subprocess.run([program, "nonsense"], capture_output=True, text=True, timeout=30, check=False)
    code, page = re.search(r"error (T\d{4}): .*\n  see: (.*)\n", done.stderr, re.S).groups()
    return code, page


def main():
    build, program = sys.argv[1:]
    code, page = page_named_by(program)
    assert page == f"docs/errors/{code}.md in Tillrace's sources", page
    with tempfile.TemporaryDirectory() as prefix:
        prefix = os.path.realpath(prefix)
        subprocess.run(["cmake", "--install", build, "--prefix", prefix, "--component", "pages"],
                       stdout=subprocess.DEVNULL, timeout=60, check=True)
        os.makedirs(os.path.join(prefix, "bin"))
        installed = shutil.copy(program, os.path.join(prefix, "bin"))
        code, page = page_named_by(installed)
        assert page.startswith(prefix) and open(page, encoding="utf-8").read().startswith(f"# {code}: "), page
        link = os.path.join(prefix, "link")
        os.symlink(installed, link)
        assert page_named_by(link)[1] == page, page_named_by(link)
    return 0


if __name__ == "__main__":
    sys.exit(main())
