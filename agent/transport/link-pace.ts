// The pace of a link: when it is read, and when what was sent is written.
import type { Clock } from '../system/clock.ts';
import { ReadingPace } from './reading-pace.ts';
import { WritingPace } from './writing-pace.ts';

/** What a transport asks and tells the pace of its link. */
export interface TransportPace {
  readonly reading: Pick<ReadingPace, 'onPiece'>;
  readonly writing: Pick<WritingPace, 'onFrame' | 'plan'>;
}

export class LinkPace implements TransportPace {
  readonly reading: ReadingPace;
  readonly writing: WritingPace;

  constructor(clock: Clock) {
    this.writing = new WritingPace(clock);
    // What was read is mostly answered by then, and nothing else is to come before the end of the pause.
    this.reading = new ReadingPace({ clock, onDrained: () => this.writing.writeNow() });
  }

  /** Has everything read and written at once for a while. Whoever waits for something from the broker calls it before asking. */
  hurry(): void {
    this.writing.hurry();
    this.reading.hurry();
  }
}
