// Opens a file that lies below a folder and nowhere else: whoever made the folder (a stick) does not choose what of the
// terminal's own is read.
#pragma once

#include <string_view>

#include "core/file.h"

namespace till::device {

// `path` is relative, of plain names between slashes; each is opened in the one before it and none may be a link: what
// openat2 with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS does, on kernels that have not got it too. Never waits for a pipe.
//   Errors: kRefused for a link, "..", an absolute path, or anything but a regular file (O_DIRECTORY: a folder).
Result<UniqueFd> OpenBeneath(int folder, std::string_view path, int flags);

}  // namespace till::device
