r"""Reads games in PGN: one grammar, in two speeds.

Kernels (`token_kernels`, `tag_kernels`, `san_kernels`) cut a text into games and tokens, and find moves in English SAN.
`token_player` plays the tokens into a tree, and reads the words that the kernels left (`move_words`). `game_reader`
reads whole games so. `main_lines` takes the moves and results of large collections from the kernels, and has only those
games played in which a word, a comment or a fault needs it.

A text is a sequence of games. Outside comments every character belongs to one of these tokens; another one is a fault,
which names line, column and word. White space of any kind, empty lines, NUL bytes and `_` separate tokens and mean
nothing else.

    tag         [Name "value"]      \" and \\ are quote and backslash; quotes that end no tag belong to the value,
                unless another tag begins in it
    comment     { to the first }; if it holds another {, to where they balance
                ; to the end of the line, behind white space; a line that begins with %
    number      digits, and behind them dots, `)` or white space; dots alone before a move of Black's
    move        SAN, long algebraic or UCI; castling with O, 0 or o and any dash; x, : or × or nothing for captures, but
                a piece or file before them;
                a promotion as a8=Q, a8Q, a8(Q), a8/Q, in small letters, too; --, Z0, 0000, @@@@, <>,
                null and pass for a pass
                then `ep` or `e.p.`; + ++ # †; marks such as !? and ±. A word may be several moves: e4e5.
    mark        $ and a number (NAG), or a sign for it: ! ? □ ⩲ += +/= ± +/- +- ∓ -/+ -+ = ∞ N D (D) and their kin
    variation   ( ... ), any number deep, behind a move
    offer       (=) of a draw: a comment
    result      1-0 0-1 1/2-1/2 1/2 ½-½ ½ 0.5-0.5 .5-.5 1.0-0.0 0.0-1.0 with any dash or colon, or a dash in spaces,
                and commas for dots, and *; at the end of the game, whatever the Result tag says: 0-0, +/-, 1-0 forfeit

A game is a tag section, comments, and movetext; each may be missing. It ends

    - behind a result outside variations. Comments that follow before an empty line belong to it. What follows in other
      lines must be a tag, a move with number 1, stand behind an empty line, or be the next of games without tags and
      numbers: else the result was none, and a fault. Another result
      right behind it is a fault, too, unless one of the two is `*`, or both are the same;
    - before a number 1 in a new line, behind moves without tags;
    - before a tag that follows a move, or an empty line behind two adjacent tags, or that repeats `Event`, or another
      tag behind an incomplete one;
    - at the end of the text.

Tags lend nothing to another game. Results, and comments without a game, are skipped between games. A line between games
that begins with no token is a fault of its own, and reading goes on in the next line.

Faults inside a game. Words that are no token. Moves that are illegal or fit more than one piece. Comments without an
end: no } before the end of the text, or a line that begins with a tag, and no } before the next {; the game ends there,
or at the first empty line. Variations without begin or end. An incomplete tag. A start position that cannot be played,
and variants but Chess960. A line of moves ends at a fault, except for a tag in which no start position can stand. A
variation's fault ends that variation; where only main lines are read, moves in variations are not looked at. Move
numbers may be wrong; but a comment that may hide moves (one of a line that begins with a move, number or result, or one
in braces with an unbalanced { in it) is a fault, unless the next number is the right one.

Letters of pieces are English, or figurines. If a game is not legal so, and exactly one reading of
`move_words.LANGUAGES` makes all of its moves legal, that one is taken, and the game says so.
"""
