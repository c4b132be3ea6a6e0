# shellcheck shell=dash
# For /lib/upgrade: `sysupgrade` on an A/B terminal goes the agent's way (signed, into the spare slot, tried, confirmed)
# and never over the slot that runs. A board's platform.sh calls these two:
#   platform_check_image() { tilld_check_image "$1"; }
#   platform_do_upgrade()  { tilld_do_upgrade "$1"; }

TILLD=${TILLD:-/usr/sbin/tilld}
UBUS_CONFIG=${UBUS_CONFIG:-/etc/config/tilld}

# A release is one tar of tillpack's folder: it holds signed metadata and payloads.
tilld_check_image() {
	local names
	names=$(tar -tf "$1" 2>/dev/null)
	case "$names" in
	*timestamp.json*) ;;
	*)
		echo "tilld: this is no signed release (tillpack's folder as one tar)" >&2
		return 1
		;;
	esac
	case "$names" in
	*.till*) return 0 ;;
	esac
	echo "tilld: the release holds no payload" >&2
	return 1
}

# sysupgrade has stopped the services; the restart is its own. Settings need no saving: they lie outside the slots.
tilld_do_upgrade() {
	local status=0
	"$TILLD" --config "$UBUS_CONFIG" --set reboot=exit install "$1" || status=$?
	[ "$status" = 10 ] && return 0
	echo "tilld: nothing was installed (status $status): $("$TILLD" --config "$UBUS_CONFIG" why 2>/dev/null)" >&2
	return 1
}
