# Loads Scid and presses its buttons: installs an engine, has it analyse and play against itself.
#
#     tkscid scid_game.tcl SCID COMMAND ARGUMENTS PLIES
#
# SCID is Scid's start script. Prints the engine's name, how its UCI box was ticked, the first line of the analysis and
# the moves of the game; then closes the engine's window, says so, and stays until it is killed.

lassign $argv scid command arguments plies
set argv {}
set argc 0
source -encoding utf-8 $scid

proc say {what text} {
    puts "$what\t[join $text]"
    flush stdout
}

# A message on the screen would wait for somebody to read it.
proc bgerror {message} { say error $::errorInfo; exit 1 }
proc tk_messageBox {args} { say error $args; exit 1 }

# Runs a script as soon as a condition holds. Both see global variables only.
proc once {condition script} {
    if {[uplevel #0 [list expr $condition]]} {
        uplevel #0 $script
    } else {
        after 50 [list once $condition $script]
    }
}

proc install {} {
    say ticked $::engines(newUCI)
    .engineEdit.f.eName insert end Aino
    .engineEdit.f.eCmd insert end $::command
    .engineEdit.f.eArgs insert end $::arguments
    .engineEdit.buttons.ok invoke
    .enginelist.buttons.ok invoke
}

# Scid takes the answer to `isready` for the end of a search that it has just stopped: let that end first.
proc stop_analysis {} {
    say name $::analysis(name1)
    say analysis [lindex $::analysis(multiPV1) 0]
    .analysisWin1.b1.bStartStop invoke
    once {!$analysis(waitForBestMove1) && !$analysis(waitForReadyOk1)} play_on
}

proc play_on {} {
    once {[winfo exists .configFinishGame.fbuttons.ok]} {
        set finishGameCmdVal1 1; # seconds a move, the least that Scid knows
        set finishGameCmdVal2 1
        set finishGameAnnotate 0
        .configFinishGame.fbuttons.ok invoke
    }
    once {[sc_pos location] >= $plies} {
        say game [sc_game moves coord list]
        .analysisWin1.b1.bFinishGame invoke
        destroy .analysisWin1
        say closed {}
    }
    .analysisWin1.b1.bFinishGame invoke
}

once {[winfo exists .main.tb.engine]} {
    once {[winfo exists .enginelist.buttons.add]} { .enginelist.buttons.add invoke }
    once {[winfo exists .engineEdit.buttons.ok]} install
    once {[info exists analysis(multiPV1)] && [llength $analysis(multiPV1)]} stop_analysis
    .main.tb.engine invoke
}
