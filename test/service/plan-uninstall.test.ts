// Plans uninstallations: what install wrote is removed; a purge removes everything of this role and nothing of the other.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { planUninstall, type UninstallParameters } from '../../agent/service/plan-uninstall.ts';
import { addSeal } from '../../agent/service/seal.ts';
import { servicePathsOf } from '../../agent/service/service-paths.ts';
import { inspection, type Made, running, stepTexts, stopped } from './inspection.ts';

const content = addSeal('[Unit]\n');
const config = '/etc/muster/config.yaml';

describe('systemd', () => {
  const places = servicePathsOf('systemd', 'system', 'agent', undefined);
  const unit = places.unit;
  const name = 'muster-agent.service';
  const plan = (made: Made, more: Partial<UninstallParameters> = {}) =>
    planUninstall(
      {
        manager: 'systemd',
        scope: 'system',
        uid: 0,
        root: undefined,
        role: 'agent',
        purge: false,
        force: false,
        ...more,
      },
      places,
      inspection(made),
    );
  const installed: Made = {
    texts: { [unit]: content, [config]: 'mine' },
    folders: ['/etc/muster'],
    service: running,
  };
  /** The files that a service with DynamicUser= leaves behind. */
  const used: Made = {
    ...installed,
    links: { '/var/lib/muster': 'private/muster', '/var/cache/muster': 'private/muster' },
    entries: { '/etc/muster': ['config.yaml'], '/var/lib/muster': ['agent'] },
  };

  test('the service is stopped, disabled and removed; a note says that configuration and state stay', () => {
    const gone = plan(used);
    assert.deepEqual(stepTexts(gone), [
      `run disable --now ${name}`,
      `remove file ${unit}`,
      'run daemon-reload',
    ]);
    assert.deepEqual(gone.notes, [`these stay, and --purge removes them: ${config}, /var/lib/muster/agent`]);
  });

  test('an orphan is stopped, and a failed service is reset', () => {
    assert.deepEqual(stepTexts(plan({ service: stopped })), []);
    const orphan = { ...running, enabled: false };
    assert.deepEqual(stepTexts(plan({ service: orphan })), [`run stop ${name}`]);
    assert.deepEqual(stepTexts(plan({ ...installed, service: { ...stopped, state: 'failed' } })), [
      `remove file ${unit}`,
      'run daemon-reload',
      `run reset-failed ${name}`,
    ]);
  });

  test('a service that waits for its next restart is only stopped', () => {
    const waiting = {
      ...stopped,
      loaded: true,
      state: 'failed',
      managerState: 'activating (auto-restart)',
    } as const;
    assert.deepEqual(stepTexts(plan({ service: waiting })), [`run stop ${name}`]);
    assert.deepEqual(stepTexts(plan({ service: { ...waiting, enabled: true } })), [
      `run disable --now ${name}`,
    ]);
  });

  test('a changed unit is kept under another name; a purge removes it', () => {
    const texts = { [unit]: `${content}After=x\n` };
    const kept = plan({ ...installed, texts });
    assert.ok(stepTexts(kept).includes(`rename ${unit} ${unit}.saved`));
    assert.match(kept.warnings.join(), /it is kept as .*\.saved/);
    assert.ok(stepTexts(plan({ ...installed, texts }, { purge: true })).includes(`remove file ${unit}`));
    const saved = { texts: { [`${unit}.saved`]: 'x' } };
    assert.ok(stepTexts(plan(saved, { purge: true })).includes(`remove file ${unit}.saved`));
  });

  test('a changed unit does not overwrite units that were kept earlier; a purge removes all of them', () => {
    const texts = { [unit]: `${content}After=x\n`, [`${unit}.saved`]: 'x', [`${unit}.saved.by-me`]: 'y' };
    assert.ok(stepTexts(plan({ texts })).includes(`rename ${unit} ${unit}.saved.1`));
    const again = { ...texts, [`${unit}.saved.1`]: 'y' };
    assert.ok(stepTexts(plan({ texts: again })).includes(`rename ${unit} ${unit}.saved.2`));
    const purged = stepTexts(plan({ texts: again }, { purge: true }));
    for (const path of [unit, `${unit}.saved`, `${unit}.saved.1`])
      assert.ok(purged.includes(`remove file ${path}`), path);
    assert.ok(!purged.includes(`remove file ${unit}.saved.by-me`));
  });

  test('a unit that muster did not write is left unchanged, except with --force', () => {
    const foreign = { ...installed, texts: { [unit]: 'mine' } };
    const linked = { ...installed, texts: {}, links: { [unit]: '/dev/null' } };
    for (const made of [foreign, linked]) {
      for (const purge of [false, true])
        assert.throws(() => plan(made, { purge }), {
          code: 'failed',
          message: /muster did not write .*: the file and the service are left/,
        });
      assert.ok(stepTexts(plan(made, { force: true })).includes(`remove file ${unit}`));
    }
  });

  test('a purge of the last role leaves nothing', () => {
    const gone = plan({ ...used, folders: ['/etc/muster', places.dropIns ?? ''] }, { purge: true });
    assert.deepEqual(stepTexts(gone).slice(3), [
      `remove tree ${unit}.d`,
      'remove tree /var/lib/muster/agent',
      'remove tree /var/cache/private/muster',
      'remove file /var/cache/muster',
      'remove folder /var/lib/private/muster',
      'remove file /var/lib/muster',
      `remove file ${config}`,
      'remove folder /etc/muster',
    ]);
    assert.deepEqual([gone.notes, gone.warnings], [[], []]);
  });

  test('a purge also removes folders that are not links, as when root ran the role by hand', () => {
    const folders = ['/var/lib/muster', '/var/cache/muster'];
    const gone = stepTexts(plan({ folders, entries: { '/var/lib/muster': ['agent'] } }, { purge: true }));
    assert.deepEqual(gone, [
      'remove tree /var/lib/muster/agent',
      'remove tree /var/cache/muster',
      'remove folder /var/lib/muster',
    ]);
  });

  test('a purge of a requester removes what a restore that was killed has left beside the data folder, with all keys', () => {
    const requester = servicePathsOf('systemd', 'system', 'requester', undefined);
    const folders = ['/var/lib/private/muster.restoring'];
    const purge = { role: 'requester', purge: true } as const;
    const parameters = {
      manager: 'systemd',
      scope: 'system',
      uid: 0,
      root: undefined,
      force: false,
    } as const;
    const gone = planUninstall({ ...parameters, ...purge }, requester, inspection({ ...used, folders }));
    assert.ok(stepTexts(gone).includes('remove tree /var/lib/private/muster.restoring'));
    assert.ok(!stepTexts(plan({ ...used, folders }, { purge: true })).some(step => /restoring/.test(step)));
  });

  test('while the other role is installed, a purge removes only what belongs to this role', () => {
    const both = {
      ...used,
      otherInstalled: true,
      entries: { '/var/lib/muster': ['agent', 'broker', 'requester'] },
    };
    const gone = plan(both, { purge: true });
    assert.deepEqual(stepTexts(gone).slice(3), ['remove tree /var/lib/muster/agent']);
    assert.match(gone.notes.join(), /config\.yaml stays: the other role is installed/);
    assert.ok(!plan(both).notes.join().includes('config.yaml'), 'nor does it promise that');
  });

  test('kept state of the other role stays, and the configuration stays with it', () => {
    const entries = { '/etc/muster': ['config.yaml'], '/var/lib/muster': ['agent', 'broker', 'requester'] };
    const gone = plan({ ...used, entries }, { purge: true });
    assert.ok(
      !stepTexts(gone).some(step => /requester|broker|config|remove (file|folder) \/var\/lib/.test(step)),
      stepTexts(gone).join(),
    );
    assert.match(
      gone.notes.join('\n'),
      /still holds broker, requester, and stays\n.*config\.yaml stays with the state/,
    );
  });

  test('other files, other links and the secrets of the operator stay', () => {
    const made: Made = {
      ...used,
      links: { '/var/lib/muster': '/data/muster' },
      entries: { '/etc/muster': ['config.yaml', 'token'], '/var/lib/muster': ['agent', 'dev'] },
      secrets: ['/etc/credstore/muster-agent.nats.token'],
    };
    const { notes, steps } = plan(made, { purge: true });
    assert.deepEqual(notes, [
      '/var/lib/muster still holds dev, and stays',
      '/etc/muster still holds token, and stays',
      '/etc/credstore/muster-agent.nats.token stays: you made it',
    ]);
    assert.ok(
      !stepTexts({ steps, warnings: [], notes: [] }).some(step => /\/data|folder \/etc\/muster/.test(step)),
    );
    const alone = plan({ ...made, entries: { '/var/lib/muster': ['agent'] } }, { purge: true });
    assert.match(alone.notes.join('\n'), /\/var\/lib\/muster is a link to \/data\/muster, which stays/);
  });

  test('a purge is refused while another process uses the state', () => {
    const hint = { code: 'in_use', message: 'process 77 runs the agent with this state' };
    assert.throws(() => plan({ ...used, holder: 77 }, { purge: true }), hint);
    assert.ok(stepTexts(plan({ ...used, holder: 77 })).length > 0, 'without a purge it is nobody’s loss');
    assert.ok(
      stepTexts(plan({ ...used, holder: running.pid ?? 0 }, { purge: true })).length > 0,
      'the service itself is stopped',
    );
  });

  test('the service of a package is stopped and disabled, and its files stay', () => {
    const packaged = '/usr/lib/systemd/system/muster-agent.service';
    const gone = plan({ ...used, texts: { [config]: 'mine' }, packaged }, { purge: true });
    assert.equal(stepTexts(gone)[0], `run disable --now ${name}`);
    assert.ok(!stepTexts(gone).some(step => step.includes('/usr/lib') || step.includes('/etc/')));
    assert.match(gone.notes.join('\n'), /belongs to a package, which removes it/);
  });

  test('in another root the service is only disabled and removed; for the service of a user, systemctl gets --user', () => {
    const enabled = { ...stopped, enabled: true };
    assert.deepEqual(stepTexts(plan({ ...installed, service: enabled }, { root: '/img' })), [
      `run --root=/img disable ${name}`,
      `remove file ${unit}`,
    ]);
    assert.equal(stepTexts(plan(installed, { scope: 'user' }))[0], `run --user disable --now ${name}`);
  });
});

describe('launchd', () => {
  const places = servicePathsOf('launchd', 'system', 'requester', undefined);
  const rule = places.rotation ?? '';
  const plan = (made: Made, more: Partial<UninstallParameters> = {}) =>
    planUninstall(
      {
        manager: 'launchd',
        scope: 'system',
        uid: 0,
        root: undefined,
        role: 'requester',
        purge: false,
        force: false,
        ...more,
      },
      places,
      inspection(made),
    );
  const installed: Made = { texts: { [places.unit]: content, [rule]: addSeal('x') }, service: running };

  test('the service is unloaded and awaited; its file and its rule for log rotation are removed', () => {
    assert.deepEqual(stepTexts(plan(installed)), [
      'run bootout system/org.muster.requester',
      'await stop',
      `remove file ${places.unit}`,
      `remove file ${rule}`,
    ]);
    assert.deepEqual(stepTexts(plan({ ...installed, service: { ...stopped, enabled: true } })), [
      `remove file ${places.unit}`,
      `remove file ${rule}`,
    ]);
  });

  test('a changed rule for log rotation is kept under another name', () => {
    const texts = { [places.unit]: content, [rule]: `${addSeal('x')}y` };
    assert.ok(stepTexts(plan({ texts })).includes(`rename ${rule} ${rule}.saved`));
    assert.ok(stepTexts(plan({ texts }, { purge: true })).includes(`remove file ${rule}`));
  });

  test('a purge removes the logs and both folders', () => {
    const made: Made = {
      logs: ['/var/log/muster-requester.log', '/var/log/muster-requester.log.0'],
      folders: ['/var/lib/muster'],
      entries: { '/var/lib/muster': ['broker', 'requester'] },
    };
    assert.deepEqual(stepTexts(plan(made, { purge: true })), [
      'remove file /var/log/muster-requester.log',
      'remove file /var/log/muster-requester.log.0',
      'remove tree /var/lib/muster/requester',
      'remove tree /var/lib/muster/broker',
      'remove folder /var/lib/muster',
    ]);
    assert.match(plan(made).notes.join(), /these stay, and --purge removes them: .*muster-requester\.log/);
  });
});
