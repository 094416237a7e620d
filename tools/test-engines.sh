#!/usr/bin/env bash
# Runs one aggregate on real engines and sources, and lets them fail: processes, two SSH hosts in network
# namespaces, Slurm, SQLite and PostgreSQL, all started here and ended again. Called by `make
# test-engines`, with the package in R_LIBS. One line a check; the last line is "N passed, N failed, N
# skipped". Needs root for all but processes and SQLite; what can't be run is skipped, with the reason.
set -u
cd "$(dirname "$0")/.." || exit 1
exec </dev/null

here=$PWD
scratch=$(mktemp -d "${TMPDIR:-/tmp}/distmoe-engines.XXXXXX")
chmod 755 "$scratch"
tag=dm$$                # names of namespaces and links: of this run alone
log=$scratch/log
results=$scratch/results
: >"$results"
pids=()
postgres=""
export DISTMOE_ENGINES=$scratch OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
export PATH=$PATH:/usr/sbin:/sbin

say() { printf '%s\n' "$*" | tee -a "$results"; }
skip() { say "skipped: $1: $2"; }

stop_all() {
  local p
  trap - EXIT
  [ -z "$postgres" ] || runuser -u postgres -- "$postgres/pg_ctl" -D "$scratch/pg" -m immediate stop >/dev/null 2>&1
  if [ -f "$scratch/slurm.conf" ]; then timeout 10 scancel --user=root >/dev/null 2>&1; sleep 1; fi
  for ((p = ${#pids[@]} - 1; p >= 0; p--)); do kill "${pids[p]}" 2>/dev/null; done
  for p in centre host1 host2; do
    if ip netns list 2>/dev/null | grep -q "^$tag-$p\b"; then
      # All in these namespaces was started here.
      ip netns pids "$tag-$p" | xargs -r kill -9 2>/dev/null
      ip netns del "$tag-$p"
    fi
  done
  wait 2>/dev/null
  rm -rf "$scratch"
}
trap stop_all EXIT
trap 'exit 1' INT TERM

# One group of checks, in an R process of its own (perhaps inside a namespace). The bound is for what never
# ends; no check counts on it.
group() {
  local name=$1 out
  shift
  out=$scratch/out-$name
  timeout -k 5 400 "$@" Rscript tools/test-engines.R "$name" >"$out" 2>"$log-$name"
  local status=$?
  grep -E '^(passed|failed): ' "$out" | tee -a "$results"
  if [ $status -ne 0 ]; then
    say "failed: $name: ended with status $status"
    tail -n 15 "$log-$name" | sed 's/^/    /'
  fi
}

have() { command -v "$1" >/dev/null 2>&1; }
wait_for() { # seconds command...: until the command succeeds
  local n=$(($1 * 5))
  shift
  while [ $n -gt 0 ]; do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.2
    n=$((n - 1))
  done
  return 1
}
# A group, and what happens to its site B as soon as that has told that it is at work: a command, which is
# given the words that it told.
group_with_fault() {
  local name=$1 fault=$2 watcher
  shift 2
  (
    until [ -s "$scratch/begun-$name" ]; do sleep 0.1; done
    # shellcheck disable=SC2046
    "$fault" $(cat "$scratch/begun-$name")
  ) >"$log-fault-$name" 2>&1 &
  watcher=$!
  group "$name" "$@"
  kill "$watcher" 2>/dev/null
}
# Ends a process after 0.8 seconds more of the processor's work than it told, in hundredths.
kill_at_work() {
  local pid=$1 from=$2 now
  while now=$(awk '{ print $14 + $15 }' "/proc/$pid/stat") && [ "$now" -lt $((from + 80)) ]; do sleep 0.02; done
  kill -9 "$pid"
}
cut_off() { # the address 10.213.HOST.2
  local host=${1#10.213.}
  ip -n "$tag-host${host%%.*}" link set down dev eth0
}
root() { [ "$(id -u)" = 0 ]; }

# Names of parts (processes postgresql ssh slurm) as arguments: these only.
parts=${*:-processes postgresql ssh slurm}
asked() { [[ " $parts " == *" $1 "* ]]; }

# ---- processes of this machine, SQLite -------------------------------------------------------

group reference
if asked processes; then
  group multisession
  group_with_fault killed kill_at_work
  group hung
fi
if ! asked processes; then :
elif Rscript -e 'quit(status = !requireNamespace("RSQLite", quietly = TRUE))' >/dev/null 2>&1; then
  group sqlite
else
  skip sqlite "R package RSQLite is not installed"
fi

# ---- PostgreSQL ------------------------------------------------------------------------------

for dir in /usr/lib/postgresql/*/bin; do [ -x "$dir/initdb" ] && bin=$dir; done
if ! asked postgresql; then :
elif [ -z "${bin:-}" ]; then skip postgresql "no server is installed"
elif ! root; then skip postgresql "needs root"
elif ! Rscript -e 'there <- vapply(c("RPostgres", "RPostgreSQL"), requireNamespace, NA, quietly = TRUE)' \
  -e 'quit(status = !any(there))' >/dev/null 2>&1; then
  skip postgresql "neither RPostgres nor RPostgreSQL is installed"
else
  install -d -o postgres "$scratch/pg" "$scratch/pgsocket"
  chmod 700 "$scratch/pg"
  runuser -u postgres -- "$bin/initdb" -D "$scratch/pg" -A trust -N >"$log-initdb" 2>&1
  postgres=$bin
  # Sockets only: nothing listens on the network.
  if (cd / && runuser -u postgres -- "$bin/pg_ctl" -D "$scratch/pg" -w -t 120 -l "$scratch/pg/log" \
    -o "-c listen_addresses='' -k $scratch/pgsocket" start) >"$log-pg" 2>&1; then
    group postgresql
  else
    say "failed: postgresql: the server does not start"
    tail -n 5 "$log-pg" "$scratch/pg/log"
  fi
fi

# ---- two SSH hosts in network namespaces -----------------------------------------------------

# The centre is a namespace too: nothing of this goes through the machine's own network.
make_hosts() {
  local h
  ip netns add $tag-centre && ip -n $tag-centre link set lo up || return 1
  mkdir -p /run/sshd
  ssh-keygen -q -t ed25519 -N '' -f "$scratch/key" && cp "$scratch/key.pub" "$scratch/authorized" || return 1
  for h in 1 2; do
    ip netns add $tag-host$h && ip -n $tag-host$h link set lo up || return 1
    ip link add $tag-c$h netns $tag-centre type veth peer name eth0 netns $tag-host$h || return 1
    ip -n $tag-centre addr add 10.213.$h.1/24 dev $tag-c$h
    ip -n $tag-centre link set $tag-c$h up
    ip -n $tag-host$h addr add 10.213.$h.2/24 dev eth0
    ip -n $tag-host$h link set eth0 up
    ssh-keygen -q -t ed25519 -N '' -f "$scratch/hostkey$h" || return 1
    cat >"$scratch/sshd$h.conf" <<EOF
Port 22
ListenAddress 10.213.$h.2
HostKey $scratch/hostkey$h
PidFile none
AuthorizedKeysFile $scratch/authorized
PasswordAuthentication no
PermitRootLogin prohibit-password
StrictModes no
Subsystem sftp internal-sftp
UsePAM no
EOF
    ip netns exec $tag-host$h "$(command -v sshd)" -D -e -f "$scratch/sshd$h.conf" 2>"$log-sshd$h" &
    pids+=($!)
  done
  cat >"$scratch/ssh.conf" <<EOF
Host 10.213.*
  User root
  IdentityFile $scratch/key
  IdentitiesOnly yes
  BatchMode yes
  StrictHostKeyChecking no
  UserKnownHostsFile $scratch/known
  LogLevel ERROR
  ServerAliveInterval 3
  ServerAliveCountMax 2
EOF
  for h in 1 2; do
    wait_for 60 ip netns exec $tag-centre ssh -F "$scratch/ssh.conf" 10.213.$h.2 true || return 1
  done
}
if ! asked ssh; then :
elif ! root; then skip ssh "network namespaces need root"
elif ! have sshd || ! have ssh; then skip ssh "openssh is not installed"
elif ! ip netns add $tag-try 2>/dev/null; then skip ssh "network namespaces can't be made here"
else
  ip netns del $tag-try
  if make_hosts 2>"$log-hosts"; then
    group ssh ip netns exec $tag-centre
    group files ip netns exec $tag-centre
    group_with_fault ssh-cut cut_off ip netns exec $tag-centre
    # A link that has just come up has no route yet.
    for h in 1 2; do
      ip -n $tag-host$h link set eth0 up
      wait_for 60 ip netns exec $tag-centre ssh -F "$scratch/ssh.conf" 10.213.$h.2 true
    done
    group ssh-again ip netns exec $tag-centre
  else
    say "failed: ssh: the hosts do not start"
    tail -n 5 "$log-hosts" "$log"-sshd?
  fi
fi

# ---- Slurm -----------------------------------------------------------------------------------

make_slurm() {
  local port=$((20000 + $$ % 5000 * 2))
  export SLURM_CONF=$scratch/slurm.conf
  mkdir -p "$scratch/state" "$scratch/spool"
  dd if=/dev/urandom of="$scratch/munge.key" bs=1024 count=1 2>/dev/null && chmod 400 "$scratch/munge.key"
  munged --foreground --force --key-file="$scratch/munge.key" --socket="$scratch/munge.socket" \
    --pid-file="$scratch/munge.pid" --log-file="$scratch/munge.log" --seed-file="$scratch/munge.seed" \
    >"$log-munge" 2>&1 &
  pids+=($!)
  cat >"$SLURM_CONF" <<EOF
ClusterName=distmoe
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$scratch/munge.socket
CredType=cred/munge
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmctldPidFile=$scratch/slurmctld.pid
SlurmdPidFile=$scratch/slurmd.pid
StateSaveLocation=$scratch/state
SlurmdSpoolDir=$scratch/spool
SlurmctldLogFile=$scratch/slurmctld.log
SlurmdLogFile=$scratch/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=2
MessageTimeout=60
BatchStartTimeout=120
NodeName=localhost NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=localhost Default=YES MaxTime=INFINITE State=UP
EOF
  wait_for 60 test -S "$scratch/munge.socket" || return 1
  slurmctld -D -f "$SLURM_CONF" >"$log-slurmctld" 2>&1 &
  pids+=($!)
  slurmd -D -N localhost -f "$SLURM_CONF" >"$log-slurmd" 2>&1 &
  pids+=($!)
  wait_for 90 sh -c 'sinfo -h -o %T | grep -q idle'
}
if ! asked slurm; then :
elif ! root; then skip slurm "its daemons need root"
elif ! have slurmctld || ! have slurmd || ! have munged; then skip slurm "Slurm or munge is not installed"
elif ! Rscript -e 'quit(status = !requireNamespace("future.batchtools", quietly = TRUE))' >/dev/null 2>&1; then
  skip slurm "R package future.batchtools is not installed"
elif make_slurm; then
  # As in a container or under cron, where nothing says who the user is.
  group slurm env -u USER -u LOGNAME
  group_with_fault slurm-cancelled scancel env -u USER -u LOGNAME
else
  say "failed: slurm: the daemons do not start"
  tail -n 5 "$log-munge" "$log-slurmctld" "$log-slurmd" "$scratch"/slurm*.log
fi

count() { grep -c "^$1: " "$results"; }
passed=$(count passed) failed=$(count failed) skipped=$(count skipped)
echo
echo "$passed passed, $failed failed$([ "$skipped" = 0 ] || echo ", $skipped skipped")"
[ "$failed" = 0 ]
