/* The boot record, the boot code and what may befall them, for Spin (README.md here says how it is run).
 *   Two slots, two copies of the record, three versions; a power cut in every write (nothing done, torn, done but
 *   unstable: such a copy may read as valid now and as invalid next time), a write that does not read back, decay of
 *   a copy or an image, warm and cold resets, images that hang or crash, a hostile system that puts an unsigned or
 *   an old image on trial and lies about its index.
 *   Sequence numbers are one bit here: `newest`, the copy written last. That boot_state.c does the same, number for
 *   number, is what tests/bootloader/model_replay_test.cc shows: it replays the lines printed here. */

#ifndef CUTS
#define CUTS 2    /* power cuts within a write, in one history */
#endif
#ifndef FAULTS
#define FAULTS 1  /* decays, writes that do not stick, hostile trials, in one history */
#endif
#define TRIES 2
#define REBUILT_TRIES 3 /* TILL_BOOT_DEFAULT_TRIES */
#define NO_SLOT 2

/* what a copy of the record is */
#define INVALID 0
#define UNSTABLE 1
#define VALID 2

/* what a slot holds: an image by its signed rollback index, the same that never becomes healthy, or none */
#define GARBAGE 0
#define SICK 4 /* 5, 6, 7: signed, indices 1, 2, 3, hangs or crashes whenever it runs */
#define UNSIGNED 8
#define INDEX(image) (image > SICK -> image - SICK : image)
#define VERIFIES(image) (image != GARBAGE && image != UNSIGNED)
#define HEALTHY(image) (image > GARBAGE && image < SICK)

#define NO_REASON 0
#define TRIES_USED 1
#define UNHEALTHY 2
#define BAD_IMAGE 3
#define BELOW_FLOOR 4
#define BY_HAND 5

/* how a write ended */
#define DONE 0
#define WORN 1     /* it went through and does not read back */
#define NOTHING 2  /* cut before it began */
#define TORN 3     /* cut: the copy is no record */
#define MARGINAL 4 /* cut: the copy reads as the new record or as none, as it likes */
#define CUT (written >= NOTHING)

/* A replay takes more cuts and faults than the promises are made for. */
#ifdef REPLAY
#define PROMISE(claim) skip
#else
#define PROMISE(claim) assert(claim)
#endif

typedef Record {
  byte stable;
  byte trial;
  byte tries;
  byte confirmed;
  byte failed;
  byte reason;
  byte floor;
  byte index[2];
}

Record copy[2];
byte state[2];
bit newest;
byte image[2];

/* what the program at work knows: gone at every reset */
Record r;
bit found;
bit used;
bit as_valid[2];
byte chosen;
bool changed, on_trial;
byte written;

/* the history, for the promises only */
byte cuts, faults;
byte floor_seen;     /* the highest floor that a record in force has had */
byte trial_boots;    /* boots of the slot on trial since its trial began */
bool record_decayed; /* a copy of the record was destroyed by other than a cut */
bool image_decayed;  /* an image was */
bool hostile;        /* the running system lied to the record */

bool record_lost;    /* neither copy was valid at a boot: a decay and a cut came together */
bool given_up;       /* a healthy system on trial was switched off or failed its own checks */

bool up, sick_up, dead; /* for the LTL formulas */

#define COPY_RECORD(to, from)                                                                             \
  to.stable = from.stable; to.trial = from.trial; to.tries = from.tries; to.confirmed = from.confirmed;   \
  to.failed = from.failed; to.reason = from.reason; to.floor = from.floor;                                \
  to.index[0] = from.index[0]; to.index[1] = from.index[1]

#define CLEAR_RECORD(to)                                                                                  \
  to.stable = 0; to.trial = 0; to.tries = 0; to.confirmed = 0; to.failed = 0; to.reason = 0;              \
  to.floor = 0; to.index[0] = 0; to.index[1] = 0

#define BIT(slot) (1 << slot)
#define LESS(a, b) (a < b -> a : b)

/* till_boot_record_ok */
#define RECORD_OK(x)                                                                                      \
  ((x.confirmed & BIT(x.stable)) && x.floor <= x.index[x.stable] &&                                       \
   (x.trial == NO_SLOT -> x.tries == 0 :                                                                  \
    x.trial == 1 - x.stable && !(x.confirmed & BIT(x.trial)) && x.failed != x.trial) &&                   \
   (x.failed == NO_SLOT -> x.reason == NO_REASON :                                                        \
    x.failed == 1 - x.stable && !(x.confirmed & BIT(x.failed)) && x.reason != NO_REASON))

inline print_copies() {
  printf("FLASH %d %d %d %d %d %d %d %d %d %d %d %d %d %d %d %d %d %d %d %d %d\n", newest,
         state[0], copy[0].stable, copy[0].trial, copy[0].tries, copy[0].confirmed, copy[0].failed, copy[0].reason,
         copy[0].floor, copy[0].index[0], copy[0].index[1],
         state[1], copy[1].stable, copy[1].trial, copy[1].tries, copy[1].confirmed, copy[1].failed, copy[1].reason,
         copy[1].floor, copy[1].index[0], copy[1].index[1])
}

/* till_boot_read; whether an unstable copy reads as valid is decided anew each time */
inline read_record() {
  d_step { as_valid[0] = (state[0] == VALID); as_valid[1] = (state[1] == VALID) }
  if
  :: state[0] == UNSTABLE -> as_valid[0] = 1
  :: state[0] == UNSTABLE -> as_valid[0] = 0
  :: else
  fi;
  if
  :: state[1] == UNSTABLE -> as_valid[1] = 1
  :: state[1] == UNSTABLE -> as_valid[1] = 0
  :: else
  fi;
  d_step {
    found = as_valid[0] || as_valid[1];
    used = (as_valid[0] && as_valid[1] -> newest : as_valid[1]);
    if
    :: found -> COPY_RECORD(r, copy[used])
    :: else -> CLEAR_RECORD(r)
    fi;
    printf("READ %d %d found %d used %d\n", as_valid[0], as_valid[1], found, used)
  }
}

/* till_boot_plan_write, and what becomes of it: always over the copy not in use */
inline write_record() {
  used = (found -> 1 - used : 0); /* now the copy to write */
  if
  :: d_step { COPY_RECORD(copy[used], r); state[used] = VALID; written = DONE }
  :: d_step { cuts < CUTS -> cuts++; written = NOTHING }
  :: d_step { cuts < CUTS -> cuts++; state[used] = INVALID; CLEAR_RECORD(copy[used]); written = TORN }
  :: d_step { cuts < CUTS -> cuts++; COPY_RECORD(copy[used], r); state[used] = UNSTABLE; written = MARGINAL }
  :: d_step { faults < FAULTS -> faults++; state[used] = INVALID; CLEAR_RECORD(copy[used]); written = WORN;
              record_decayed = true }
  fi;
  d_step {
    if
    :: (written == DONE || written == MARGINAL) && (found || state[1] == INVALID) -> newest = used
    /* else copy 1 may read as valid again one day, and its number is higher than a new record's 1 */
    :: else
    fi;
    printf("WRITE copy %d ended %d state %d\n", used, written, state[used]);
    print_copies();
    if
    :: written == DONE -> found = 1; as_valid[used] = 1
    :: else -> as_valid[used] = 0
    fi;
    PROMISE(state[0] == INVALID || RECORD_OK(copy[0]));
    PROMISE(state[1] == INVALID || RECORD_OK(copy[1]))
  }
}

/* what the record in force says is known from now on: nothing may go back behind it */
inline in_force() {
  if
  :: r.floor > floor_seen -> floor_seen = r.floor
  :: else
  fi
}

/* till_boot_mark_failed; its conditions are the caller's here */
#define MARK_FAILED(why) r.failed = r.trial; r.reason = why; r.trial = NO_SLOT; r.tries = 0

#define WITHDRAW(slot)                                                                                    \
  r.confirmed = r.confirmed & ~BIT(slot); r.failed = NO_SLOT; r.reason = NO_REASON; r.index[slot] = 0

/* till_boot_decide */
inline decide() {
  d_step {
    changed = false; on_trial = false; chosen = 0;
    if
    :: !found
    :: found && r.trial == NO_SLOT -> chosen = r.stable
    :: found && r.trial != NO_SLOT ->
       changed = true;
       if
       :: r.index[r.trial] < r.floor -> MARK_FAILED(BELOW_FLOOR); chosen = r.stable
       :: r.index[r.trial] >= r.floor && r.tries == 0 -> MARK_FAILED(TRIES_USED); chosen = r.stable
       :: else ->
#ifndef NO_COUNT
          r.tries--;
#endif
          chosen = r.trial; on_trial = true
       fi
    fi;
    printf("DECIDE slot %d changed %d trial %d\n", chosen, changed, on_trial)
  }
}

/* till_boot_reject */
inline reject(why) {
  d_step {
    changed = false;
    if
    :: !found -> chosen = (chosen == 0 -> 1 : NO_SLOT)
    :: found && on_trial -> MARK_FAILED(why); changed = true; chosen = r.stable
    :: found && !on_trial && chosen == r.stable && (r.confirmed & BIT(1 - r.stable)) &&
       r.index[1 - r.stable] >= r.floor ->
       r.confirmed = BIT(1 - r.stable); r.failed = r.stable; r.reason = why; r.stable = 1 - r.stable;
       changed = true; chosen = r.stable
    :: else -> chosen = NO_SLOT
    fi;
    on_trial = false;
    printf("REJECT why %d slot %d changed %d\n", why, chosen, changed)
  }
}

inline forget() {
  d_step {
    CLEAR_RECORD(r); found = 0; used = 0; as_valid[0] = 0; as_valid[1] = 0; chosen = 0; changed = false;
    on_trial = false; written = DONE
  }
}

/* an image may decay, and either copy of the record, whenever nothing is being written */
inline decay() {
  if
  :: d_step { state[0] != INVALID -> state[0] = INVALID; CLEAR_RECORD(copy[0]); record_decayed = true;
              printf("DECAY copy 0\n") }
  :: d_step { state[1] != INVALID -> state[1] = INVALID; CLEAR_RECORD(copy[1]); record_decayed = true;
              printf("DECAY copy 1\n") }
  :: d_step { image[0] != GARBAGE -> image[0] = GARBAGE; image_decayed = true; printf("IMAGE 0 0\n") }
  :: d_step { image[1] != GARBAGE -> image[1] = GARBAGE; image_decayed = true; printf("IMAGE 1 0\n") }
  fi;
  faults++
}

/* the image in hand is below what it must be: the floor, and what the record promised of it */
#define TOO_OLD (found && (INDEX(image[chosen]) < r.floor || INDEX(image[chosen]) < r.index[chosen]))

proctype Terminal() {
  byte signed_floor;

off: /* power is off or the reset line is pulled: all that remains is the flash */
  atomic {
    up = false; sick_up = false;
    forget();
    printf("BOOT\n")
  };
  if
  :: faults < FAULTS -> decay()
  :: true
  fi;

  /* --- the boot code (boot_choice.c) --- */
  read_record();
#ifndef NO_SETTLE
  /* The copy in use is programmed once more with the bytes it read as: what was marginal holds from now on. */
  d_step {
    if
    :: found && state[used] == UNSTABLE -> state[used] = VALID
    :: else
    fi;
    printf("SETTLE\n")
  };
#endif
  record_lost = record_lost || !found;
#ifndef NO_REBUILD
  /* Neither copy is valid: a new record by what the slots hold. Both verify: nobody knows which is healthy, so one is
   * tried and the other kept. */
  if
  :: !found && VERIFIES(image[0]) ->
     d_step {
       if
       :: VERIFIES(image[1]) ->
          r.stable = 1; r.trial = 0; r.tries = REBUILT_TRIES; r.floor = LESS(INDEX(image[0]), INDEX(image[1]));
          r.index[0] = INDEX(image[0]); r.index[1] = INDEX(image[1]); trial_boots = 0
       :: else -> r.stable = 0; r.trial = NO_SLOT; r.floor = INDEX(image[0]); r.index[0] = r.floor
       fi;
       r.confirmed = BIT(r.stable); r.failed = NO_SLOT
     }
  :: !found && !VERIFIES(image[0]) && VERIFIES(image[1]) ->
     d_step { r.stable = 1; r.trial = NO_SLOT; r.floor = INDEX(image[1]); r.index[1] = r.floor;
              r.confirmed = BIT(1); r.failed = NO_SLOT }
  :: else
  fi;
  if
  :: !found && r.confirmed != 0 ->
     printf("REBUILD %d %d\n", (VERIFIES(image[0]) -> INDEX(image[0]) : 0),
            (VERIFIES(image[1]) -> INDEX(image[1]) : 0));
     write_record();
     if
     :: CUT -> goto off
     :: written == WORN -> CLEAR_RECORD(r)
     :: else
     fi
  :: else
  fi;
#endif
#ifndef NO_SETTLE
  /* A copy that reads as invalid is written anew before anything else, so that it cannot come back. */
  if
  :: found && !(as_valid[0] && as_valid[1]) ->
     write_record();
     if
     :: CUT -> goto off
     :: written == WORN -> used = 1 - used
     :: else
     fi
  :: else
  fi;
#endif
  atomic {
    if
    :: found -> in_force(); PROMISE(record_decayed || r.floor == floor_seen)
    :: else -> PROMISE(record_decayed) /* cuts alone never lose the record */
    fi
  };
  decide();
  do
  :: changed ->
     write_record();
     if
     :: CUT -> goto off
     :: written == WORN && on_trial -> /* a trial that cannot be counted is not tried */
        d_step { on_trial = false; changed = false; chosen = r.stable; used = 1 - used;
                 printf("UNCOUNTED slot %d\n", chosen) }
     :: written == WORN && !on_trial -> d_step { changed = false; used = 1 - used }
     :: else -> changed = false
     fi
  :: !changed && chosen == NO_SLOT ->
     /* Recovery console. Only a destroyed image leads here. */
     atomic {
       printf("NOTHING\n");
       PROMISE(image_decayed || hostile);
       dead = true
     };
#ifdef REPLAY
     d_step { image[0] = 1; printf("IMAGE 0 1\n") }; /* somebody writes an image at the console */
     goto off
#else
     goto end_dead
#endif
#ifndef NO_VERIFY
  :: !changed && chosen != NO_SLOT && !VERIFIES(image[chosen]) -> reject(BAD_IMAGE)
#ifndef NO_FLOOR
  :: !changed && chosen != NO_SLOT && VERIFIES(image[chosen]) && TOO_OLD -> reject(BELOW_FLOOR)
#endif
#endif
  :: else -> break
  od;
  skip; /* Spin lets no break lead into a d_step */

  /* --- the slot runs --- */
  d_step {
    printf("RUN slot %d\n", chosen);
    /* O1: whatever runs was signed, was verified and is not below the floor in force */
    PROMISE(VERIFIES(image[chosen]));
    PROMISE(!found || INDEX(image[chosen]) >= r.floor);
    PROMISE(record_decayed || INDEX(image[chosen]) >= floor_seen);
    if
    :: on_trial -> trial_boots++; PROMISE(record_decayed || trial_boots <= TRIES)
    :: else
    fi;
    up = true;
    sick_up = !HEALTHY(image[chosen])
  };
  if
  :: sick_up ->
     if
     :: printf("HANG the watchdog bites: warm reset\n")
     :: printf("CRASH warm reset\n")
     :: printf("CYCLED cold reset\n")
     fi;
     goto off
  :: else
  fi;

  /* --- the agent in a healthy system --- */
  read_record();
  do
  :: atomic { printf("CYCLED by its user\n"); given_up = given_up || (found && r.trial == chosen) }; goto off
  :: faults < FAULTS -> decay(); goto off
  :: !found -> /* tilld restores the record from its journal; at worst without its floor */
     d_step {
       r.stable = chosen; r.trial = NO_SLOT; r.failed = NO_SLOT; r.confirmed = BIT(chosen);
       r.index[chosen] = INDEX(image[chosen]);
       printf("FACTORY slot %d index %d\n", chosen, r.index[chosen])
     };
     write_record();
     goto off
  :: found && r.trial == chosen -> /* healthy: confirm */
     if
     :: signed_floor = 0
     :: signed_floor = 2
     :: signed_floor = 3
     fi;
     d_step {
       printf("CONFIRM slot %d floor %d\n", chosen, signed_floor);
       if
       :: signed_floor > r.index[chosen] -> signed_floor = r.index[chosen]
       :: else
       fi;
       r.stable = chosen; r.trial = NO_SLOT; r.tries = 0; r.confirmed = r.confirmed | BIT(chosen);
       if
       :: signed_floor > r.floor -> r.floor = signed_floor
       :: else
       fi;
       if
       :: r.index[1 - chosen] < r.floor -> r.confirmed = BIT(chosen)
       :: else
       fi;
       signed_floor = 0
     };
     write_record();
     if
     :: written == DONE -> in_force()
     :: else
     fi;
     goto off
  :: found && r.trial == chosen -> /* a health check failed */
     d_step { printf("FAIL why %d\n", UNHEALTHY); MARK_FAILED(UNHEALTHY); given_up = true };
     write_record();
     goto off
  :: found && r.trial != NO_SLOT && r.trial != chosen -> /* a trial that could not be counted: given up */
     d_step { printf("FAIL why %d\n", BY_HAND); MARK_FAILED(BY_HAND) };
     write_record();
     goto off
  :: found && r.trial == NO_SLOT && r.stable == chosen -> /* an update into the spare slot */
     d_step { printf("WITHDRAW slot %d\n", 1 - chosen); WITHDRAW(1 - chosen) };
     write_record();
     if
     :: written != DONE -> goto off
     :: else
     fi;
     d_step { image[1 - chosen] = GARBAGE; printf("IMAGE %d 0\n", 1 - chosen) };
     if
     :: goto off /* cut in the middle of the image */
     :: image[1 - chosen] = 1
     :: image[1 - chosen] = 2
     :: image[1 - chosen] = 3
     :: image[1 - chosen] = SICK + 1
     :: image[1 - chosen] = SICK + 3
     :: faults < FAULTS -> faults++; hostile = true; image[1 - chosen] = UNSIGNED
     fi;
     d_step {
       r.index[1 - chosen] = INDEX(image[1 - chosen]);
       printf("IMAGE %d %d\n", 1 - chosen, image[1 - chosen])
     };
     if
     :: faults < FAULTS -> faults++; hostile = true; r.index[1 - chosen] = 3
     :: true
     fi;
     if
     :: r.index[1 - chosen] < r.floor -> goto off /* till_boot_begin_trial refuses it */
     :: else
     fi;
      read_record();
     d_step {
       r.index[1 - chosen] = (hostile -> 3 : INDEX(image[1 - chosen]));
       r.trial = 1 - chosen; r.tries = TRIES; trial_boots = 0;
       printf("TRIAL slot %d index %d tries %d\n", 1 - chosen, r.index[1 - chosen], TRIES)
     };
     write_record();
     goto off
  :: else -> goto off
  od;

#ifndef REPLAY
end_dead:
  skip
#endif
}

init {
  d_step {
    image[0] = 1; image[1] = GARBAGE;
    copy[0].stable = 0; copy[0].trial = NO_SLOT; copy[0].confirmed = 1; copy[0].failed = NO_SLOT;
    copy[0].index[0] = 1; state[0] = VALID; state[1] = INVALID; newest = 0;
    printf("IMAGE 0 1\nIMAGE 1 0\n");
    print_copies()
  };
  run Terminal()
}

/* a slot comes up again and again, whatever happened */
ltl comes_up { [] (<> (up || dead)) }
/* an image that hangs or crashes gives way to a healthy one; when the record was lost, unless the healthy
 * one was tried first and given up, by itself or by its user (no proven slot stands behind a trial out of a lost
 * record) */
ltl falls_back { [] (sick_up -> <> ((up && !sick_up) || dead || (record_lost && given_up))) }
