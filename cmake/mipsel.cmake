# Cross build for the terminal: Debian's mipsel cross compiler and a private sysroot of mipsel packages
# (tools/mipsel_sysroot.sh makes it: the dev packages do not co-install with the host's own).
# Debian's mipsel is glibc and hard float; the product's target is musl and soft float, so no code of ours uses floats.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR mipsel)
set(CMAKE_C_COMPILER mipsel-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER mipsel-linux-gnu-g++)
set(TILL_SYSROOT ${CMAKE_CURRENT_LIST_DIR}/../build/mipsel-sysroot)
set(CMAKE_C_FLAGS_INIT "-march=24kec -Os")
set(CMAKE_CXX_FLAGS_INIT "-march=24kec -Os")
set(CMAKE_FIND_ROOT_PATH ${TILL_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
# 24KEc under qemu has no FPU, which Debian's hard-float libraries need; 34Kf has the DSP instructions and an FPU.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-mipsel-static;-cpu;34Kf;-L;${TILL_SYSROOT})
