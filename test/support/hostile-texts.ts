// Texts that are something else for HTML, for styles, for addresses, for terminals or for readers of right-to-left text.

export const hostileTexts = [
  '<img src=x onerror="window.harmed=1">',
  '"><script>window.harmed=1</script>',
  'javascript:window.harmed=1',
  '&lt;b&gt;&amp;',
  '</title></table></style><svg onload=window.harmed=1>',
  '{{window.harmed=1}}',
  '\u202e\u0007\u001b[31m\u2028\u0000',
  '__proto__',
  'x'.repeat(200),
];
