// The command that restarts the terminal (`reboot` in tilld.conf): a line for /bin/sh, or "exit".
#pragma once

#include <string>

#include "core/result.h"

namespace till::device {

// kNotFound when the program that the line begins with is not there; Ok for "exit", for a word of the shell's, and
// where the line begins with anything but a plain name.
Status LookForRestart(const std::string& command);
// Runs it, in a clean environment (child_process.h). Its exit status, 128 + signal, or 127.
int RunRestart(const std::string& command);

}  // namespace till::device
