#!/usr/bin/env python3
"""The test suite on every OpenCL implementation that can be had as a package.

  ./dev test --all-devices [LANE...]        --list names the lanes

A lane is an implementation, or a way of using one: what it needs is installed if it is missing (in build-lanes/, where
it would disturb others), then `meson test` runs with the lane's environment and caches of its own. What the suites say
is counted and written into the table of docs/devices.md; lanes that were not run keep their rows. The exit code is 1 if
a lane fails."""
import datetime
import json
import os
import re
import shlex
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


def say(text):
    print(f'lanes: {text}', file=sys.stderr, flush=True)


def sh(*command, **kw):
    subprocess.run(command, check=True, stdout=sys.stderr, **kw)


def intel():
    """Intel's CPU runtime, in a virtual environment: its folder holds an OpenCL loader that must disturb nobody."""
    venv = os.path.join(PLACE, 'intel')
    library = os.path.join(venv, 'lib', 'libintelocl.so')
    if not os.path.exists(library):
        say('installing Intel\'s CPU runtime (about 800 MB)')
        sh(sys.executable, '-m', 'venv', venv)
        sh(os.path.join(venv, 'bin', 'pip'), 'install', '-q', *INTEL)
    return {'OCL_ICD_VENDORS': library}


def rusticl():
    """Mesa's rusticl, unpacked: installed, it would add its platforms to every program. libclc has a fixed place."""
    folder = os.path.join(PLACE, 'mesa')
    libraries = os.path.join(folder, 'usr/lib/x86_64-linux-gnu')
    library = os.path.join(libraries, 'libRusticlOpenCL.so.1')
    if not os.path.exists(library):
        say('unpacking Mesa\'s OpenCL')
        os.makedirs(folder, exist_ok=True)
        sh('apt-get', 'download', *MESA, cwd=folder)
        for name in os.listdir(folder):
            if name.endswith('.deb'):
                sh('dpkg', '-x', name, '.', cwd=folder)
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
    if subprocess.run(['which', 'oclgrind'], stdout=subprocess.DEVNULL).returncode != 0:
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


def suites_of(wanted):
    """Those of the list that the build has."""
    if wanted is None:
        return []
    out = subprocess.run(['meson', 'test', '-C', BUILD, '--list'], capture_output=True, text=True, check=True).stdout
    there = {line.split('/')[-1].strip() for line in out.splitlines()}
    return [name for name in wanted if name in there]


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


def commit():
    """What was run; the page itself, which each lane writes, is no change."""
    git = ['git', '-C', ROOT]
    head = subprocess.run([*git, 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True).stdout.strip()
    changed = subprocess.run([*git, 'diff', '--quiet', 'HEAD', '--', '.', ':!docs/devices.md']).returncode
    return head + (' with changes' if changed else '')


def count(log):
    """Sums over the log of a run: suites and tests that passed, failed, were skipped, and why."""
    sums = {'suites': 0, 'bad suites': [], 'passed': 0, 'failed': 0, 'skips': {}, 'impls': [0, 0], 'never': set()}
    with open(log) as f:
        for line in f:
            suite = json.loads(line)
            text = re.sub(r'\x1b\[[0-9;]*m', '', suite.get('stdout', '') + suite.get('stderr', ''))
            sums['suites'] += 1
            if suite['result'] not in ('OK', 'SKIP'):
                sums['bad suites'].append(f"{suite['name'].split(' / ')[-1]} ({suite['result'].lower()})")
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


def run(name):
    """Runs a lane; returns the lines of the page, and whether all is well."""
    title, make_env, before, wanted, factor = LANES[name]
    env = {k: v for k, v in os.environ.items() if not re.match('OCL_ICD|POCL_|CLGRAD_DEVICE', k)}
    env.update(make_env(), CRITERION_VERBOSITY_LEVEL='1')
    caches = {}
    for cache in ('CLGRAD_CACHE_DIR', 'POCL_CACHE_DIR'):
        caches[cache] = os.path.join(PLACE, 'cache', name, cache.split('_')[0].lower())
        os.makedirs(caches[cache], exist_ok=True)
    env.update(caches)
    device = facts(env, before)
    say(f"{name}: {device['name']}, {device['platform']}, driver {device['driver']}")
    # What meson sets itself (the caches) is only to be had by a wrapper; its first word is part of the log's name.
    wrapper = ['env'] + [f'{k}={v}' for k, v in caches.items()] + before
    start = time.monotonic()
    subprocess.run(['meson', 'test', '-C', BUILD, '--no-rebuild', '--logbase', f'lane-{name}', '-t', str(factor),
                    '--wrapper', shlex.join(wrapper), *suites_of(wanted)], env=env, stdout=sys.stderr)
    minutes = (time.monotonic() - start) / 60
    sums = count(os.path.join(BUILD, 'meson-logs', f'lane-{name}-env.json'))
    good = sums['suites'] > 0 and not sums['bad suites'] and sums['failed'] == 0
    skipped = sum(sums['skips'].values())
    impls = '{} of {}'.format(*sums['impls']) if sums['impls'][1] else '-'
    day = datetime.date.today().isoformat()
    row = (f"| {name} | {title} | {device['name']}; {device['platform']}, driver {device['driver']}; "
           f"{device['version'].split(' ', 2)[1]} | {sums['suites']} | {sums['passed']} | {sums['failed']} | "
           f"{skipped} | {impls} | {minutes:.0f} min | {day}, {commit()} |")
    notes = []
    if sums['bad suites']:
        notes.append(f"- {name}: **failed**: {', '.join(sums['bad suites'])}")
    if sums['never']:
        notes.append(f"- {name}: implementations that no case reached: {', '.join(sorted(sums['never']))}")
    notes += [f'- {name}: {n} skipped: {why}' for why, n in sorted(sums['skips'].items())]
    say(f"{name}: {'passed' if good else 'FAILED'}, {minutes:.1f} minutes")
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
    unknown = [n for n in names if n not in LANES]
    if unknown:
        say(f"no lane is called {unknown[0]}: there are {', '.join(LANES)}")
        return 2
    os.makedirs(PLACE, exist_ok=True)
    good = True
    for name in names or LANES:
        try:
            row, notes, passed = run(name)
        except (RuntimeError, subprocess.CalledProcessError, OSError) as e:
            say(f'{name}: FAILED: {e}')
            good = False
            continue
        write(name, row, notes)
        good &= passed
    return 0 if good else 1


sys.exit(main(sys.argv[1:]))
