#!/usr/bin/env python3
"""The test suite on every OpenCL implementation that can be had as a package.

  ./dev test --all-devices [--resume] [LANE...]
    --list     names the lanes
    --resume   what passed on these very sources is not run again, also after an interruption

A lane is an implementation, or a way of using one: what it needs is installed if it is missing (in build-lanes/, where
it would disturb others), then `meson test` runs with the lane's environment and caches of its own. What the suites say
is counted and written into the table of docs/devices.md; lanes that were not run keep their rows. The exit code is 1 if
a lane fails."""
import datetime
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, 'build')
PLACE = os.path.join(ROOT, 'build-lanes')
PAGE = os.path.join(ROOT, 'docs', 'devices.md')
BEGIN, END = '<!-- made by ./dev test --all-devices -->', '<!-- end of what was made -->'
INTEL = ['intel-opencl-rt', 'intel-cmplr-lib-rt']
MESA = ['mesa-opencl-icd', 'libllvmspirvlib15']
POCL_ICD = '/etc/OpenCL/vendors/pocl.icd'

# Suites that run kernels, or the layer below them; small: those for simulators and drivers that are slow.
SMOKE = ['device', 'launch', 'parts', 'store', 'random', 'graph']
SMALL = SMOKE + ['cache', 'hessian', 'linalg', 'nn', 'run', 'ops']
# Suites that need no device, and those of virtual devices, which stand on PoCL: lane pocl has them.
ELSEWHERE = ['layers', 'symbols', 'install', 'offline', 'cpp', 'virtual', 'driver']
# What a caller may have set, that changes the device or the tests.
FOREIGN = 'OCL_ICD|OPENCL_|POCL_|CLGRAD_|CLG_TEST_|RUSTICL_|OCLGRIND|CL_CONFIG_|CRITERION_'


def say(text):
    print(f'lanes: {text}', file=sys.stderr, flush=True)


def sh(*command, **kw):
    subprocess.run(command, check=True, stdout=sys.stderr, **kw)


def fetch(folder, what, fill):
    """Fills a folder that is not there, under another name until it is complete."""
    if os.path.exists(folder):
        return
    say(what)
    new = folder + '.new'
    shutil.rmtree(new, ignore_errors=True)
    os.makedirs(new)
    fill(new)
    os.rename(new, folder)


def intel():
    """Intel's CPU runtime, in a virtual environment: its folder holds an OpenCL loader that must disturb nobody."""
    def fill(venv):
        sh(sys.executable, '-m', 'venv', venv)
        sh(os.path.join(venv, 'bin', 'python'), '-m', 'pip', 'install', '-q', *INTEL)

    venv = os.path.join(PLACE, 'intel')
    fetch(venv, 'installing Intel\'s CPU runtime (about 800 MB)', fill)
    return {'OCL_ICD_VENDORS': os.path.join(venv, 'lib', 'libintelocl.so')}


def rusticl():
    """Mesa's rusticl, unpacked: installed, it would add its platforms to every program. libclc has a fixed place."""
    def fill(folder):
        subprocess.run(['apt-get', 'update', '-q'], stdout=sys.stderr)  # the lists may be new enough, and we not root
        sh('apt-get', 'download', *MESA, cwd=folder)
        for name in os.listdir(folder):
            if name.endswith('.deb'):
                sh('dpkg', '-x', name, '.', cwd=folder)

    folder = os.path.join(PLACE, 'mesa')
    fetch(folder, 'unpacking Mesa\'s OpenCL', fill)
    libraries = os.path.join(folder, 'usr/lib/x86_64-linux-gnu')
    library = os.path.join(libraries, 'libRusticlOpenCL.so.1')
    if not os.path.exists('/usr/lib/clc/spirv64-mesa3d-.spv'):
        raise RuntimeError('rusticl wants the package libclc-15, which has a fixed place: install it')
    return {'OCL_ICD_VENDORS': library, 'LD_LIBRARY_PATH': libraries, 'RUSTICL_ENABLE': 'llvmpipe',
            'CLGRAD_DEVICE': 'rusticl', 'CLG_TEST_SMALL': '30000'}


def both():
    """Two vendors' platforms in one process."""
    folder = os.path.join(PLACE, 'both')
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, 'intel.icd'), 'w') as f:
        f.write(intel()['OCL_ICD_VENDORS'] + '\n')
    with open(POCL_ICD) as pocl, open(os.path.join(folder, 'pocl.icd'), 'w') as f:
        f.write(pocl.read())
    return {'OCL_ICD_VENDORS': folder + '/', 'CLGRAD_DEVICE': 'pocl'}


def oclgrind():
    if not shutil.which('oclgrind'):
        raise RuntimeError('oclgrind is missing: ./dev deps oclgrind installs it')
    return {'CLGRAD_DEVICE': 'oclgrind', 'CLG_TEST_SMALL': '30000'}


def pocl(**more):
    return lambda: {'OCL_ICD_VENDORS': POCL_ICD, **more}


# name: (what it is, its environment, what runs before each test, suites (None: all), factor on time limits)
LANES = {
    'pocl': ('PoCL', pocl(), [], None, 3),
    'pocl-half': ('half of PoCL\'s device (`pocl#0/2`)', pocl(CLGRAD_DEVICE='pocl#0/2'), [], None, 4),
    'pocl-two': ('the second of two PoCL devices', pocl(POCL_DEVICES='pthread pthread', CLGRAD_DEVICE='1'), [], None,
                 3),
    'intel': ('Intel\'s CPU runtime', intel, [], None, 4),
    'both': ('PoCL and Intel\'s CPU runtime in one process', both, [], ['device', 'parts', 'interop', 'parallel'], 4),
    'oclgrind': ('Oclgrind, small shapes', oclgrind, ['oclgrind'], SMALL, 10),
    'rusticl': ('rusticl on llvmpipe, a smoke run', rusticl, [], SMOKE, 10),
}


def suites_of(lane):
    """Those that the lane wants and the build has."""
    wanted = LANES[lane][3]
    out = subprocess.run(['meson', 'test', '-C', BUILD, '--list'], capture_output=True, text=True, check=True).stdout
    there = [line.split(' / ')[-1].strip() for line in out.splitlines() if ' / ' in line]
    if wanted is not None:
        return [name for name in wanted if name in there]
    return [name for name in there if lane == 'pocl' or name not in ELSEWHERE]


def facts(env, before):
    """The device that the lane chooses, as `clgrad devices` tells it."""
    command = before + [os.path.join(BUILD, 'src/tool/clgrad'), 'devices', '--json', '-']
    out = subprocess.run(command, env=env, capture_output=True, text=True)
    for line in out.stdout.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if row.get('chosen'):
            return row
    raise RuntimeError(f'no device: {out.stderr.strip()}')


def git(*words):
    """The page itself, which each lane writes, is no change of the sources."""
    return subprocess.run(['git', '-C', ROOT, *words], capture_output=True, text=True, check=True).stdout


def sources():
    """What is tested: how the page calls it, and a name of its state."""
    head = git('rev-parse', '--short', 'HEAD').strip()
    changes = git('diff', 'HEAD', '--', '.', ':!docs/devices.md')
    state = hashlib.sha256('\n'.join([ROOT, head, changes]).encode()).hexdigest()  # the log of meson is in this folder
    return head + (' with changes' if changes else ''), state


def name_of(suite):
    return suite['name'].split(' / ')[-1]


def read_log(log):
    """The suites of a log of meson, by name; none: no log, or what is cut off of its last line."""
    suites = {}
    if not os.path.exists(log):
        return suites
    with open(log) as f:
        for line in f:
            if line.endswith('\n'):
                suite = json.loads(line)
                suites[name_of(suite)] = suite
    return suites


class Results:
    """What the suites of a lane said: build-lanes/results/LANE.json has what was there when the last run began, the log
    of meson has the rest, also that of a run that was interrupted."""

    def __init__(self, lane, state, resume):
        self.path = os.path.join(PLACE, 'results', lane + '.json')
        self.log = os.path.join(BUILD, 'meson-logs', f'lane-{lane}-env.json')
        self.state, self.suites, self.seconds = state, {}, 0.0
        if resume and os.path.exists(self.path):
            with open(self.path) as f:
                old = json.load(f)
            if old['state'] == state:
                suites = {**old['suites'], **read_log(self.log)}
                self.suites = {name: s for name, s in suites.items() if s['result'] in ('OK', 'SKIP')}
                self.seconds = old['seconds']

    def save(self):
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        with open(self.path + '.new', 'w') as f:
            json.dump({'state': self.state, 'seconds': self.seconds, 'suites': self.suites}, f)
        os.replace(self.path + '.new', self.path)

    def begin(self):
        """Before a run: no log of an earlier one is left to be taken for it."""
        self.save()
        if os.path.exists(self.log):
            os.remove(self.log)

    def end(self, seconds):
        self.suites.update(read_log(self.log))
        self.seconds += seconds
        self.save()


def count(suites, wanted):
    """Sums over the suites: tests that passed, failed, were skipped, and why; suites that failed or never ran."""
    sums = {'passed': 0, 'failed': 0, 'skips': {}, 'impls': [0, 0], 'never': set()}
    sums['bad suites'] = [f'{name} (not run)' for name in wanted if name not in suites]
    for name, suite in suites.items():
        text = re.sub(r'\x1b\[[0-9;]*m', '', suite.get('stdout', '') + suite.get('stderr', ''))
        if suite['result'] not in ('OK', 'SKIP'):
            sums['bad suites'].append(f"{name} ({suite['result'].lower()})")
        for m in re.finditer(r'Synthesis: Tested: (\d+) \| Passing: (\d+)', text):
            sums['passed'] += int(m[2])
            sums['failed'] += int(m[1]) - int(m[2])
        for m in re.finditer(r'^\[SKIP\] [^:]+::[^:]+: (.*)$', text, re.M):
            sums['skips'][m[1]] = sums['skips'].get(m[1], 0) + 1
        for m in re.finditer(r'^implementations of \S+: (\d+) of (\d+) ran(.*)$', text, re.M):
            sums['impls'][0] += int(m[1])
            sums['impls'][1] += int(m[2])
            sums['never'].update(re.findall(r'\b[a-z]\w*\.\w+', m[3]))  # a line of Criterion may follow on it
    return sums


def environment(lane):
    """That of the lane and nothing of the caller's that matters; and its caches."""
    _, make_env, before, _, _ = LANES[lane]
    env = {k: v for k, v in os.environ.items() if not re.match(FOREIGN, k)}
    env.update(make_env(), CRITERION_VERBOSITY_LEVEL='1')
    caches = {}
    for cache in ('CLGRAD_CACHE_DIR', 'POCL_CACHE_DIR'):
        # PoCL's own holds what its compiler made, by content: the lanes of PoCL share it, and the first fills it.
        of = 'pocl' if cache == 'POCL_CACHE_DIR' and lane.startswith('pocl') else lane
        caches[cache] = os.path.join(PLACE, 'cache', of, cache.split('_')[0].lower())
        os.makedirs(caches[cache], exist_ok=True)
    # What meson sets itself (the caches, and that kernels for GPUs are built without optimisation, which no user does)
    # is only to be had by a wrapper; its first word is part of the log's name.
    own = {**caches, 'CLG_TEST_QUICK': '0'}
    return {**env, **own}, ['env'] + [f'{k}={v}' for k, v in own.items()] + before


def run(name, resume):
    """Runs a lane; returns the lines of the page, and whether all is well."""
    title, _, before, _, factor = LANES[name]
    env, wrapper = environment(name)
    device = facts(env, before)
    say(f"{name}: {device['name']}, {device['platform']}, driver {device['driver']}")
    wanted = suites_of(name)
    shown, state = sources()
    results = Results(name, state, resume)
    left = [suite for suite in wanted if suite not in results.suites]
    if results.suites:
        say(f'{name}: {len(results.suites)} suites passed before, {len(left)} are left')
    results.begin()
    start = time.monotonic()
    try:
        if left:
            subprocess.run(['meson', 'test', '-C', BUILD, '--no-rebuild', '--logbase', f'lane-{name}', '-t',
                            str(factor), '--wrapper', shlex.join(wrapper), *left], env=env, stdout=sys.stderr)
    finally:  # also of what is interrupted
        results.end(time.monotonic() - start)
    sums = count(results.suites, wanted)
    good = len(wanted) > 0 and not sums['bad suites'] and sums['failed'] == 0
    impls = '{} of {}'.format(*sums['impls']) if sums['impls'][1] else '-'
    row = (f"| {name} | {title} | {device['name']}; {device['platform']}, driver {device['driver']}; "
           f"{device['version'].split(' ', 2)[1]} | {len(results.suites)} | {sums['passed']} | {sums['failed']} | "
           f"{sum(sums['skips'].values())} | {impls} | {results.seconds / 60:.1f} min | "
           f"{datetime.date.today().isoformat()}, {shown} |")
    notes = []
    if sums['bad suites']:
        notes.append(f"- {name}: **failed**: {', '.join(sums['bad suites'])}")
    if sums['never']:
        notes.append(f"- {name}: implementations that no case reached: {', '.join(sorted(sums['never']))}")
    notes += [f'- {name}: {n} skipped: {why}' for why, n in sorted(sums['skips'].items())]
    say(f"{name}: {'passed' if good else 'FAILED'}, {results.seconds / 60:.1f} minutes")
    return row, notes, good


HEAD = ['| lane | what | device, driver, OpenCL | suites | tests passed | failed | skipped | implementations | '
        'time | of |',
        '|---|---|---|---|---|---|---|---|---|---|']


def write(name, row, notes):
    """Puts the lines of a lane in place of its former ones, the lanes in their order."""
    with open(PAGE) as f:
        text = f.read()
    before, rest = text.split(BEGIN)
    old, after = rest.split(END)
    rows, remarks = {}, {}
    for line in old.splitlines():
        m = re.match(r'(?:\| (\S+) \||- (\S+): )', line)
        if m and (m[1] or m[2]) in LANES:
            (rows if m[1] else remarks).setdefault(m[1] or m[2], []).append(line)
    rows[name], remarks[name] = [row], notes
    lines = [BEGIN, '', *HEAD] + [line for lane in LANES for line in rows.get(lane, [])] + ['']
    lines += [line for lane in LANES for line in remarks.get(lane, [])]
    with open(PAGE + '.new', 'w') as f:
        f.write(before + '\n'.join(lines).rstrip() + '\n\n' + END + after)
    os.replace(PAGE + '.new', PAGE)


def main(names):
    if '--list' in names:
        for name, lane in LANES.items():
            print(f'{name:12}{lane[0]}')
        return 0
    if '--help' in names or '-h' in names:
        print(__doc__)
        return 0
    resume = '--resume' in names
    names = [n for n in names if n != '--resume']
    unknown = [n for n in names if n not in LANES]
    if unknown:
        say(f"no lane is called {unknown[0]}: there are {', '.join(LANES)}")
        return 2
    os.makedirs(PLACE, exist_ok=True)
    good = True
    for name in names or LANES:
        try:
            row, notes, passed = run(name, resume)
            write(name, row, notes)
        except KeyboardInterrupt:
            say(f'{name}: interrupted; with --resume what has passed is not run again')
            return 130
        except (RuntimeError, subprocess.CalledProcessError, OSError) as e:
            say(f'{name}: FAILED: {e}')
            passed = False
        except (ValueError, KeyError, IndexError) as e:  # what is no JSON, or another than that of this version
            say(f'{name}: FAILED: cannot read an answer, a log or docs/devices.md: {type(e).__name__}: {e}')
            passed = False
        good &= passed
    return 0 if good else 1


sys.exit(main(sys.argv[1:]))
