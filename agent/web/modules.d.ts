// Tells the type checker of modules that browsers do not have.

// The build takes a style sheet out of the scripts that import it.
declare module '*.css';

// The types of messages stand in files that check addresses by it. The page takes only their types.
declare module 'node:net' {
  export function isIP(text: string): number;
  export class BlockList {
    addSubnet(net: string, prefix: number, family: string): void;
    addAddress(address: string, family: string): void;
    check(address: string, family: string): boolean;
  }
}
