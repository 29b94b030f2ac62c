/** The browser and the system that a `User-Agent` names; null for what isn't known. Order matters: most name others, too. */
export function agent(text: string | null | undefined): { browser: string | null; system: string | null } {
  const first = (list: [string, RegExp][]): string | null => list.find(([, pattern]) => pattern.test(text ?? ''))?.[0] ?? null;
  return {
    browser: first([['Edge', /\bEdg(e|A|iOS)?\//], ['Opera', /\bOPR\//], ['Firefox', /\b(Firefox|FxiOS)\//], ['Chrome', /(Chrome|CriOS|Chromium)\//], ['Safari', /\bVersion\/.*\bSafari\//], ['curl', /^curl\//], ['Python', /^python/i]]),
    system: first([['iPhone', /\biPhone\b/], ['iPad', /\biPad\b/], ['Android', /\bAndroid\b/], ['Windows', /\bWindows\b/], ['macOS', /\bMac OS X\b|\bMacintosh\b/], ['ChromeOS', /\bCrOS\b/], ['Linux', /\bLinux\b/]]),
  };
}
