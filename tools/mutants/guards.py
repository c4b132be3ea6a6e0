"""Finds the guards of a source file, and writes the file anew so that each can be switched off while it runs.

A guard is a place that refuses. Four shapes are known:
  if (A || B) return Error{...};     each of A, B is one        (A && till_guard(id)) || (B && till_guard(id))
  if (A) continue;                   in core/tuf only
  TILL_TRY(CheckThat(...));          its refusal is dropped
  return A && B;                     of a predicate             (A || !till_guard(id)) && (B || !till_guard(id))

A guard's id is made of its file, its text and its ordinal among guards of that text, not of its line: it survives
edits around it. Working on text (comments and literals blanked) is enough for the one style of this tree.
"""
import collections, fnmatch, hashlib, re

Guard = collections.namedtuple("Guard", "id path line text")

# What bytes from outside reach, module by module. fnmatch: * crosses folders.
MODULES = {
    "apply": ["delta/apply/*"],
    "format": ["delta/format/*", "delta/residual/*", "delta/mips/*", "delta/chunks/*"],
    "codec": ["delta/codec/*"],
    "container": ["delta/container/*"],
    "core": ["core/*.cc"],
    "json": ["core/json/*"],
    "http": ["core/http/*"],
    "tuf": ["core/tuf/*"],
    "crypto": ["core/crypto/*"],
    "boot": ["bootloader/*.c", "bootloader/boot_file.cc"],
    "device": ["device/*"],
    "edge": ["cdn-edge/*"],
    "auth": ["server/auth/*", "server/front/*", "server/router.cc"],
    "ddi": ["server/ddi/*"],
    "mgmt": ["server/mgmt/*", "server/model/*", "server/rollout/*"],
    "publish": ["server/publish/*", "server/choose/*", "server/artifacts/*", "server/store/*"],
}
# Not reached from outside: what a person types, what the packer makes, what stands on the host's own disk.
NOT_OUTSIDE = ["*/main.cc", "*_main.cc", "*/command_line.cc", "*_command.cc", "device/cli/*", "device/doctor.cc",
               "device/simulate.cc", "device/provision.cc", "device/adopt.cc", "device/config.cc", "core/kv/*",
               "core/commands/*", "core/crypto/identity.cc", "core/crypto/password.cc", "core/tuf/repository*",
               "core/tuf/keys*", "delta/mips/map_builder.cc", "delta/residual/encoder.cc", "delta/codec/*encode*",
               "core/log.cc", "core/clock.cc", "bootloader/uboot/*"]

REFUSAL = re.compile(
    r"return\s+(?:till::)?(?:Error\{\s*(?:till::)?ErrorCode::k(?:Refused|Corrupt|Limit|Invalid|Unsupported|Conflict)\b"
    r"|(?:Corrupt|Refuse|RefuseWith|RefuseBody|Refusal|EmitRefused|Fail|Bad|BadFile|Syntax|TooLong|DdiError|Problem"
    r"|NotAllowed|Locked|Wrong)\()")
REFUSAL_C = re.compile(r"return\s+(?:0|-1|TILL_BOOT_REASON_(?!NONE)\w+);")
# "No" as an answer is a refusal only where the question is about trust, identity or what may be served.
NO = re.compile(r"return\s+(?:false|nullptr|std::nullopt);")
CHECK = re.compile(r"TILL_TRY\((?:[\w.]+(?:->|::|\.))?(?:Check|Verify|Refuse|Expect|Require|Claim)\w*\(")
JUDGES = ("core/tuf/*", "core/crypto/*", "core/http/request.cc", "bootloader/*.c", "server/auth/*",
          "server/router.cc", "server/ddi/device_auth.cc", "server/ddi/artifacts.cc", "server/front/*",
          "server/publish/*", "device/trust.cc", "device/gates.cc", "cdn-edge/object.cc", "cdn-edge/catalog.cc",
          "cdn-edge/handler.cc")
PREDICATES = tuple(judge for judge in JUDGES if judge not in ("core/crypto/*", "server/publish/*"))
SKIPS = ("core/tuf/*",)


def matches(path, patterns):
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


def module_of(path):
    if not path.endswith((".cc", ".c")) or matches(path, NOT_OUTSIDE):
        return None
    found = [name for name, patterns in MODULES.items() if matches(path, patterns)]
    return found[-1] if found else None   # core/*.cc matches core/tuf/x.cc too: the later, narrower one counts


LITERAL = re.compile(r'R"(\w*)\((?:.|\n)*?\)\1"|//[^\n]*|/\*(?:.|\n)*?\*/|"(?:\\.|[^"\\\n])*"'
                     r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'")


def blank(text):
    """The same length, with comments and literals as spaces (literals keep their quotes)."""
    def spaces(match):
        inner = re.sub(r"[^\n]", " ", match.group())
        return inner if match.group().startswith("/") else '"' + inner[1:-1] + '"'
    return LITERAL.sub(spaces, text)


def closing(bare, start):
    """Where the bracket at `start` is closed."""
    depth = 0
    for at in range(start, len(bare)):
        if bare[at] in "([{":
            depth += 1
        elif bare[at] in ")]}":
            depth -= 1
            if depth == 0:
                return at
    raise ValueError("a bracket that nothing closes")


def split_top(bare, start, end, separator):
    """The spans between `separator`s that stand in no bracket."""
    spans, depth, begin, at = [], 0, start, start
    while at < end:
        if bare[at] in "([{":
            depth += 1
        elif bare[at] in ")]}":
            depth -= 1
        elif depth == 0 and bare.startswith(separator, at):
            spans.append((begin, at))
            at += len(separator)
            begin = at
            continue
        at += 1
    return spans + [(begin, end)]


def has_top(bare, start, end, token):
    return len(split_top(bare, start, end, token)) > 1


class Source:
    def __init__(self, path, text):
        self.path, self.text, self.bare = path, text, blank(text)
        self.guards, self.edits, self.seen = [], [], collections.Counter()

    def add(self, at, text, edit):
        text = re.sub(r"\s+", " ", text).strip()
        self.seen[text] += 1
        key = f"{self.path}\0{text}\0{self.seen[text]}"
        guard = Guard(hashlib.sha256(key.encode()).hexdigest()[:8], self.path, self.text.count("\n", 0, at) + 1, text)
        self.guards.append(guard)
        self.edits += edit(f"till_guard(0x{guard.id}u)")

    def wrap(self, start, end, form):
        """Edits that put `form`'s halves (split at @) around the span, blanks outside."""
        while self.bare[start].isspace():
            start += 1
        while self.bare[end - 1].isspace() and self.text[end - 1].isspace():
            end -= 1
        before, behind = form.split("@")
        return lambda call: [(start, before.replace("#", call)), (end, behind.replace("#", call))]

    def body_of(self, close):
        """(start, end) of the statement an `if` whose ")" is at `close` controls, without its braces."""
        start = close + 1
        while self.bare[start].isspace():
            start += 1
        if self.bare[start] == "{":
            return start + 1, closing(self.bare, start)
        return start, split_top(self.bare, start, len(self.bare), ";")[0][1] + 1

    def refuses(self, start, end):
        last = self.bare[start:end].rstrip()
        if not last.endswith(";"):
            return None
        cut = max(split_top(last[:-1], 0, len(last) - 1, ";")[-1][0], 0)
        statement = self.text[start + cut:start + len(last)].strip()
        statement = re.sub(r"^.*[;}]\s*(?=return\b)", "", statement, flags=re.S)
        statement = re.sub(r"\s+//[^\n]*", "", statement)
        shape = REFUSAL_C if self.path.endswith(".c") else REFUSAL
        says_no = NO.match(statement) and matches(self.path, JUDGES)
        skips = statement == "continue;" and matches(self.path, SKIPS)
        return statement if shape.match(statement) or says_no or skips else None

    def find_ifs(self):
        for found in re.finditer(r"\bif\s*\(", self.bare):
            open_at = found.end() - 1
            close = closing(self.bare, open_at)
            statement = self.refuses(*self.body_of(close))
            if statement is None:
                continue
            start, end = split_top(self.bare, open_at + 1, close, ";")[-1]
            condition = self.bare[start:end]
            if re.match(r"\s*(?:const\s+)?[\w:<>]+[\s*&]+\w+\s*=[^=]", condition):
                continue   # a declaration: what it holds is used below
            parts = split_top(self.bare, start, end, "||")
            if has_top(self.bare, start, end, "?"):
                parts = [(start, end)]
            for part in parts:
                text = f"if ({self.text[start:end]}) {statement}"
                if len(parts) > 1:
                    text = f"if (… {self.text[part[0]:part[1]].strip()} …) {statement}"
                self.add(part[0], text, self.wrap(*part, "((@) && #)"))

    def find_checks(self):
        for found in re.finditer(CHECK, self.bare):
            before = self.bare[:found.start()].rstrip()
            end = closing(self.bare, self.bare.index("(", found.start())) + 1
            if not (before.endswith((";", "{", "}", ")", "else", "\n")) and self.bare[end] == ";"):
                continue
            if re.search(r"(=|return|,)$", before):
                continue
            text = self.text[found.start():end + 1]
            inner = self.bare.index("(", found.start()) + 1
            form = ("if (auto till_kept = (", "); !till_kept.ok() && #) return till_kept.error()")
            self.add(found.start(), text, lambda call, s=found.start(), i=inner, e=end: [
                (s, ("cut", i - s)), (i, form[0]), (e - 1, ("cut", 1)), (e, form[1].replace("#", call))])

    def find_predicates(self):
        if not matches(self.path, PREDICATES):
            return
        for found in re.finditer(r"\breturn\s+", self.bare):
            start = found.end()
            end = split_top(self.bare, start, len(self.bare), ";")[0][1]
            expression = self.bare[start:end]
            compares = any(has_top(self.bare, start, end, f" {token} ") for token in ("==", "!=", "<=", ">=", "<", ">"))
            parts = split_top(self.bare, start, end, "&&")
            if has_top(self.bare, start, end, "?") or has_top(self.bare, start, end, "<<") or "{" in expression:
                continue
            if len(parts) == 1 and (not compares or has_top(self.bare, start, end, "||")):
                continue
            for part in parts:
                text = f"return … {self.text[part[0]:part[1]].strip()} …;" if len(parts) > 1 else self.text[
                    found.start():end + 1]
                self.add(part[0], text, self.wrap(*part, "((@) || !#)"))

    def instrumented(self):
        out, at = [], 0
        for place, edit in sorted(self.edits, key=lambda e: e[0]):
            if isinstance(edit, tuple):   # ("cut", length)
                out.append(self.text[at:place])
                at = place + edit[1]
            else:
                out.append(self.text[at:place] + edit)
                at = place
        language = 'extern "C" int' if self.path.endswith(".cc") else "extern int"
        return f"{language} till_guard(unsigned id);\n#line 1\n" + "".join(out) + self.text[at:]


def scan(path, text):
    """The guards of one file, and the file with a switch at each."""
    source = Source(path, text)
    source.find_ifs()
    source.find_checks()
    source.find_predicates()
    return source.guards, source.instrumented()
