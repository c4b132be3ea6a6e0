# Cross build for the terminal: Debian's mipsel cross compiler and a private sysroot of mipsel packages
# (tools/mipsel_sysroot.sh makes it: the dev packages do not co-install with the host's own).
# Debian's mipsel is glibc and hard float; the product's target is musl and soft float, so no code of ours uses floats.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR mipsel)
set(CMAKE_C_COMPILER mipsel-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER mipsel-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE mipsel-linux-gnu)
get_filename_component(TILL_SYSROOT ${CMAKE_CURRENT_LIST_DIR}/../build/mipsel-sysroot ABSOLUTE)
# No --sysroot: the C library's headers are the cross compiler's own. The sysroot's headers come before the host's
# /usr/include, which Debian's cross compiler searches last.
set(includes "-isystem ${TILL_SYSROOT}/usr/include/mipsel-linux-gnu -isystem ${TILL_SYSROOT}/usr/include")
# Times beyond 2038 and files beyond 2 GiB, as musl has them anyway.
set(wide "-D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64")
set(CMAKE_C_FLAGS_INIT "-march=24kec ${wide} ${includes}")
set(CMAKE_CXX_FLAGS_INIT "-march=24kec ${wide} ${includes}")
# Libraries that libraries need, and the machine's own last of all.
set(libs ${TILL_SYSROOT}/usr/lib/mipsel-linux-gnu)
set(CMAKE_EXE_LINKER_FLAGS_INIT "-L${libs} -Wl,-rpath-link,${libs}:${TILL_SYSROOT}/lib/mipsel-linux-gnu")
set(CMAKE_FIND_ROOT_PATH ${TILL_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${TILL_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${libs}/pkgconfig:${TILL_SYSROOT}/usr/share/pkgconfig)
# 24KEc under qemu has no FPU, which Debian's hard-float libraries need; 34Kf has the DSP instructions and an FPU.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-mipsel-static;-cpu;34Kf;-L;${TILL_SYSROOT})
