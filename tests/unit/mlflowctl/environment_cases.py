"""Files of settings, and what each says."""

# What systemd 252 and 257 made of each; tests/lives/test_upgrade.py asks a real one.
CASES = {
    "plain": ("A=b", {"A": "b"}),
    "several": ("A=b\nC=d\r\n\n\nE=f", {"A": "b", "C": "d", "E": "f"}),
    "the last one counts": ("A=1\nA=2\n", {"A": "2"}),
    "comments": ("# A=1\n; B=2\n  # C=3\nD=4 # no comment\n", {"D": "4 # no comment"}),
    "white space": ("  A  =  b c  \nD=\t\n", {"A": "b c", "D": ""}),
    "nothing to it": ("A\nB=\n=c\nD=e", {"B": "", "D": "e"}),
    "no name": ("==b\n=\\\nC=d\n= e\n", {"C": "d"}),
    "equals": ("A=b=c==\n", {"A": "b=c=="}),
    "double quotes": ('A="b  c "\nD=""\n', {"A": "b  c ", "D": ""}),
    "single quotes": ("A='b \"c\" \\n $d'\n", {"A": 'b "c" \\n $d'}),
    "quotes in the middle stand for themselves": ("A=b\"c\"'d'\n", {"A": "b\"c\"'d'"}),
    "quotes one after the other": ('A="b" \'c\' "d"e\n', {"A": "bcde"}),
    "escapes in quotes": (r'A="\" \\ \$ \` \n \x"', {"A": r'" \ $ ` \n \x'}),
    "escapes without": (r"A=b\ \c\"\\ ", {"A": 'b c"\\'}),
    "an escaped space at the end": ("A=b\\ \nC=d\n", {"A": "b ", "C": "d"}),
    "line ends in quotes": ("A=\"{\n  1\n}\"\nB='x\ny'\n", {"A": "{\n  1\n}", "B": "x\ny"}),
    "what looks like another in quotes": ('A="x\nB=y\n# z"\nC=d\n', {"A": "x\nB=y\n# z", "C": "d"}),
    "continued": ('A=b\\\nc\nD="e\\\nf"\n', {"A": "bc", "D": "ef"}),
    "open at the end": ('A="b\nc', {"A": "b\nc"}),
    "an escape at the end": ("A=b\\", {"A": "b"}),
    "other letters": ("A=größe 😀\n", {"A": "größe 😀"}),
}
