// Bars that show how much of something is used, with a text above them, because a colour alone says nothing to some.
import './bar.css';

export interface BarProps {
  /** How much each bar shows, from 0 to 1. */
  shares: readonly number[];
  text: string;
  /** What the bars are about, for who points at them. */
  title: string;
}

export function Bar({ shares, text, title }: BarProps) {
  return (
    <span class="bar" title={title}>
      <span class="bar-text">{text}</span>
      {shares.map((share, index) => (
        <span key={index} class="bar-track" aria-hidden="true">
          <span class={share >= 0.9 ? 'bar-fill full' : 'bar-fill'} style={{ width: percentOf(share) }} />
        </span>
      ))}
    </span>
  );
}

const percentOf = (share: number): string => `${Math.round(Math.min(1, Math.max(0, share)) * 100)}%`;
