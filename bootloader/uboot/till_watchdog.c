#include "bootloader/uboot/till_watchdog.h"

#include <common.h>
#include <dm.h>
#include <pci.h>
#include <wdt.h>

#include <asm/io.h>

#if IS_ENABLED(CONFIG_TILL_I6300ESB)
/* Intel 6300ESB, "Watchdog Timer" in its datasheet: two stages of preload counted in ~1 ms, unlocked by two writes. */
enum { ESB_CONFIG = 0x60, ESB_LOCK = 0x68, ESB_TIMER1 = 0x00, ESB_TIMER2 = 0x04, ESB_RELOAD = 0x0c };

static void esb_unlock(void* base) {
  writew(0x80, base + ESB_RELOAD);
  writew(0x86, base + ESB_RELOAD);
}

static int start(u32 timeout_ms) {
  struct udevice* device;
  if (dm_pci_find_device(PCI_VENDOR_ID_INTEL, 0x25ab, 0, &device) != 0) return -ENODEV;
  dm_pci_write_config16(device, PCI_COMMAND, PCI_COMMAND_MEMORY);
  void* base = dm_pci_map_bar(device, PCI_BASE_ADDRESS_0, 0, 0, PCI_REGION_TYPE, PCI_REGION_MEM);
  if (!base) return -EIO;
  dm_pci_write_config16(device, ESB_CONFIG, 0x0003); /* reset at the second stage, no interrupt at the first */
  esb_unlock(base);
  writel(timeout_ms / 2, base + ESB_TIMER1);
  esb_unlock(base);
  writel(timeout_ms / 2, base + ESB_TIMER2);
  esb_unlock(base);
  writew(0x0100, base + ESB_RELOAD);
  dm_pci_write_config8(device, ESB_LOCK, 0x02);
  return 0;
}
#elif IS_ENABLED(CONFIG_WDT)
static int start(u32 timeout_ms) {
  struct udevice* device;
  const int error = uclass_get_device(UCLASS_WDT, 0, &device);
  return error != 0 ? error : wdt_start(device, timeout_ms, 0);
}
#else
static int start(u32 timeout_ms) { return -ENODEV; }
#endif

int till_watchdog_start(u32 timeout_ms) { return start(timeout_ms); }
