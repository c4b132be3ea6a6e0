/*
 * A plugin for QEMU's user emulation that counts the guest's instructions between two marks. The guest sets a mark
 * with the raw system call getppid(MARK, number), which means nothing to the kernel; each mark goes to the file named
 * by the plugin's argument out= as a line "number instructions", and the end of the program as "exit instructions".
 * Built and run by count_instructions.py. API: qemu-plugin.h of Debian's qemu 7.2 (plugin interface version 1).
 */
#include <qemu-plugin.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

#define GETPPID_ON_MIPS 4064
#define MARK 0x7111ace

static uint64_t instructions;
static FILE* marks;

static void count_block(qemu_plugin_id_t id, struct qemu_plugin_tb* block) {
  (void)id;
  qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, &instructions,
                                           qemu_plugin_tb_n_insns(block));
}

static void on_syscall(qemu_plugin_id_t id, unsigned int cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
                       uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
  (void)id, (void)cpu, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
  if (number != GETPPID_ON_MIPS || (uint32_t)a1 != MARK) return;
  fprintf(marks, "%u %llu\n", (unsigned)a2, (unsigned long long)instructions);
  fflush(marks);
}

static void on_exit_of_guest(qemu_plugin_id_t id, void* nothing) {
  (void)id, (void)nothing;
  fprintf(marks, "exit %llu\n", (unsigned long long)instructions);
  fflush(marks);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t* info, int count, char** arguments) {
  (void)info;
  if (count != 1 || strncmp(arguments[0], "out=", 4) != 0) return 1;
  marks = fopen(arguments[0] + 4, "w");
  if (marks == NULL) return 1;
  qemu_plugin_register_vcpu_tb_trans_cb(id, count_block);
  qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
  qemu_plugin_register_atexit_cb(id, on_exit_of_guest, NULL);
  return 0;
}
