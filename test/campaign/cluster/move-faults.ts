// The faults of a cluster whose store is moved to one server and back to three: at one step of each move the command, the
// requester that watches, or the server that takes the writes is killed. Afterwards the same command completes the move.
import { eventually } from '../../support/eventually.ts';
import type { Program } from '../../support/program.ts';
import type { Begun, Fault } from './fault.ts';
import type { ClusterStage } from './stage.ts';

/** What the command says before each step that is hit. */
const steps = {
  hold: /asking all requesters/,
  copy: /copying the store/,
  shut: /shutting NODE_EVENTS/,
  remove: /removing NODE_EVENTS/,
  'remove the last': /removing muster_v1/,
  wait: /waiting until each server/,
};

/** Finds what is to be killed before the move begins. Returns what kills it, which returns what starts it again. */
type Attack = (stage: ClusterStage) => Promise<(moving: Program) => Promise<() => Promise<void>>>;

const attacks: Record<string, Attack> = {
  'the command': async () => async moving => {
    await moving.kill();
    return async () => undefined;
  },
  'the watcher': async stage => {
    const requester = stage.requesters[await stage.watcher()];
    return async () => {
      await requester.program.kill();
      return () => requester.start();
    };
  },
  'the leader': async stage => {
    const site = await stage.leaderSite();
    return async () => {
      await stage.nats.server(site).kill();
      return () => stage.nats.startServer(site);
    };
  },
};

/** All of these faults by their names. */
export const moveFaults: [string, Fault][] = Object.entries(attacks).flatMap(([what, attack]) =>
  Object.entries(steps).map(([step, text]): [string, Fault] => [
    `move the store, kill ${what} (${step})`,
    {
      help: 'muster store lower, and then raise, are hit at this step and completed',
      lasts: 'a moment',
      begin: stage => hitMoves(stage, attack, text),
    },
  ]),
);

/** The move to one server is hit and completed, and so is the one back to three. */
async function hitMoves(stage: ClusterStage, attack: Attack, step: RegExp): Promise<Begun> {
  const completeLowering = await hitMove(stage, 'lower', attack, step);
  return {
    undo: async () => {
      await completeLowering();
      const completeRaising = await hitMove(stage, 'raise', attack, step);
      await completeRaising();
    },
  };
}

/** Begins a move and hits it at this step. Returns what starts again what was killed, and completes the move. */
async function hitMove(
  stage: ClusterStage,
  to: 'raise' | 'lower',
  attack: Attack,
  step: RegExp,
): Promise<() => Promise<void>> {
  const aim = await attack(stage);
  let moving = stage.startMove(to);
  // After a fault the servers may not be ready to copy their streams. Then the command changes nothing, and says so.
  await eventually(
    `muster store ${to} comes to the step ${step}`,
    async () => {
      if (step.test(moving.stderr)) return true;
      if (!moving.running) moving = stage.startMove(to);
      return false;
    },
    120_000,
  );
  const startAgain = await aim(moving);
  return async () => {
    await startAgain();
    await moving.finished;
    let last = '';
    await eventually(
      `muster store ${to} completes the move`,
      async () => {
        const { code, stderr } = await stage.startMove(to).finished;
        last = stderr;
        return code === 0;
      },
      180_000,
    ).catch(cause => {
      throw new Error(`muster store ${to} does not complete the move: ${last}`, { cause });
    });
  };
}
