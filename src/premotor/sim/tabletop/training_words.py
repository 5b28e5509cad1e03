"""The words that policies are trained with.

Most were listed by someone who had not seen the other sets; what occurs in those was struck, and so was every
sentence that the parser does not understand.
"""

from premotor.sim.tabletop.lexicon import Vocabulary

__all__ = ["TRAINING"]

# fmt: off
TRAINING = Vocabulary(
    name="training",
    nouns={
        "block": (
            "block", "brick", "toy block", "building block", "toy brick", "wooden block", "die", "dice", "square",
            "slab", "lego", "hexahedron",
        ),
        "ball": (
            "ball", "toy ball", "marble", "round ball", "rubber ball", "bouncy ball", "bouncer", "round toy",
            "ping pong ball", "golf ball", "roller", "bauble", "spheroid",
        ),
        "cup": (
            "cup", "drinking cup", "beaker", "tumbler", "teacup", "chalice", "tankard", "stein", "espresso cup",
            "coffee cup", "sippy cup", "demitasse",
        ),
        "bottle": (
            "bottle", "water bottle", "plastic bottle", "vial", "jug", "thermos", "soda bottle", "squeeze bottle",
            "cruet", "flagon", "milk bottle",
        ),
        "bowl": (
            "bowl", "soup bowl", "basin", "mixing bowl", "cereal bowl", "salad bowl", "dipping bowl", "porringer",
            "rice bowl", "noodle bowl", "fruit bowl", "serving bowl", "washbowl",
        ),
        "plate": (
            "plate", "dinner plate", "saucer", "flat plate", "disk", "dessert plate", "pie plate", "china plate",
            "paper plate", "lunch plate",
        ),
        "tray": (
            "tray", "serving tray", "tea tray", "board", "salver", "food tray", "serving board", "cutting board",
            "trencher", "lunch tray", "carrying board", "flat pan", "cafeteria tray",
        ),
        "bin": (
            "bin", "box", "storage box", "bucket", "container", "pail", "hamper", "trash can", "case", "tote",
            "garbage can", "chest", "receptacle",
        ),
    },
    things=(
        ("thing", "things"), ("object", "objects"), ("item", "items"), ("toy", "toys"),
        ("gizmo", "gizmos"), ("thingy", "thingies"), ("doodad", "doodads"), ("widget", "widgets"),
        ("thingamajig", "thingamajigs"),
    ),
    # The plain word comes as often as a third of all the others.
    drawers=(
        *("drawer",) * 12,
        "sliding drawer", "desk drawer", "cabinet drawer", "storage drawer", "cabinet", "filing cabinet", "cupboard",
        "dresser", "locker", "chest of drawers", "wardrobe", "pigeonhole", "cubby", "cubbyhole", "drawer unit",
        "drawer box", "slide out drawer", "pull out drawer", "safe", "niche", "shelf", "slot", "recess", "console",
        "credenza", "storage unit", "commode", "file drawer", "sliding shelf", "pull out shelf", "storage slot",
        "cabinet slot", "tool cabinet", "furniture", "repository",
    ),
    sizes={
        "small": (
            "small", "little", "miniature", "wee", "petite", "minute", "diminutive", "teeny", "teensy", "itty bitty",
            "undersized", "pint sized", "dinky", "smallish", "pocket sized", "puny", "baby",
        ),
        "large": (
            "large", "big", "giant", "massive", "jumbo", "enormous", "oversized", "hefty", "sizable", "substantial",
            "gigantic", "largish", "mammoth", "colossal", "chunky", "full sized", "king sized", "immense",
        ),
    },
    sides={
        "left": (
            "left {n}", "leftmost {n}", "{n} on the left", "{n} to the left", "left hand {n}", "{n} at the left edge",
            "{n} over on the left", "{n} toward the left", "{n} in the left half of the table", "far left {n}",
            "{n} off to the left", "{n} on the left part of the table", "{n} closest to the left border",
        ),
        "right": (
            "right {n}", "rightmost {n}", "{n} on the right", "{n} to the right", "right hand {n}",
            "{n} at the right edge",
            "{n} over on the right", "{n} toward the right", "{n} in the right half of the table", "far right {n}",
            "{n} off to the right", "{n} on the right part of the table", "{n} closest to the right border",
        ),
        "near": (
            "front {n}", "{n} at the front", "{n} nearest to the camera", "{n} closest to the camera", "nearest {n}",
            "{n} nearest to me", "{n} in the foreground", "closer {n}",
            "{n} nearest the viewer", "{n} closest to us", "frontmost {n}", "{n} in the front row",
            "{n} close to the camera", "{n} at the near edge of the table", "{n} toward the front", "foreground {n}",
            "closest {n}", "nearer {n}",
        ),
        "far": (
            "back {n}", "{n} at the back", "{n} farthest from the camera", "far {n}", "farthest {n}", "backmost {n}",
            "{n} in the back row", "{n} away from the camera", "{n} at the far edge of the table",
            "{n} toward the back", "farther {n}", "{n} way in back",
        ),
    },
    relations={
        "next_to": (
            "next to", "beside", "close to", "near", "by", "right by", "neighboring", "neighbouring",
            "in the vicinity of", "right beside", "not far from", "directly beside", "standing beside",
            "sitting next to", "hard by", "in the neighborhood of",
        ),
        "nearest": (
            "nearest to", "closest to", "nearest", "the shortest distance from", "that is closest to",
            "sitting nearest to",
            "that sits nearest to", "located closest to", "in closest proximity to", "with the smallest distance to",
            "least far from", "lying closest to", "at the minimum distance from",
        ),
        "left_of": (
            "left of", "to the left of", "on the left of", "just left of", "directly left of",
            "immediately to the left of", "over to the left of", "at the left of", "standing left of",
            "a little left of", "further left than", "a bit to the left of", "positioned to the left of",
        ),
        "right_of": (
            "right of", "to the right of", "on the right of", "just right of", "directly right of",
            "immediately to the right of", "over to the right of", "at the right of", "standing right of",
            "a little right of", "further right than", "a bit to the right of", "positioned to the right of",
        ),
        "in_front_of": (
            "in front of", "at the front of", "just in front of", "directly in front of", "immediately in front of",
            "right in front of", "nearer the camera than", "closer to us than",
        ),
        "behind": (
            "behind", "in back of", "at the back of", "just behind", "directly behind", "immediately behind",
            "right behind", "farther from the camera than", "further back than", "standing behind",
        ),
    },
    every=(
        "all the {c} {ns}", "all {c} {ns}", "all of the {c} {ns}", "every {c} {n}", "each {c} {n}", "everything {c}",
        "everything that is {c}", "anything {c}", "every single {c} {n}", "the {c} {ns}", "each of the {c} {ns}",
        "every last {c} {n}", "all {ns} that are {c}", "every {n} that is {c}",
    ),
    verbs={
        "pick_up": (
            "pick up", "lift", "lift up", "raise", "take", "get", "hold up", "elevate", "take hold of", "fetch",
            "hold", "clutch", "collect",
            "snag", "pluck", "heave", "get hold of", "clasp", "nab", "heft", "pinch",
        ),
        "put_in": (
            "put", "set", "move", "transfer", "deposit", "stick", "pop", "slip", "load", "tuck", "toss", "dump",
            "relocate", "chuck", "lower",
            "plunk", "lob", "sling", "bundle", "ditch", "deliver",
        ),
        "put_on": (
            "put", "set", "lay", "move", "position", "rest", "transfer", "pop", "deposit", "set down", "lower",
            "plonk", "arrange",
            "plunk", "situate", "lay down", "put down", "seat", "deliver", "relocate",
        ),
        "stack": (
            "stack", "put", "set", "lay", "move", "position", "rest", "balance", "heap", "stack up", "build",
            "seat", "superimpose", "poise", "layer", "land", "fit", "prop",
        ),
        "push_to": (
            "push", "slide", "move", "nudge", "shift", "press", "scoot", "drive", "bump", "slip", "budge", "herd",
            "glide",
            "scooch", "poke", "skid", "guide", "coax", "shunt", "edge", "inch", "send", "usher",
        ),
        "open_drawer": (
            "open", "open up", "pull open", "slide open", "pull out", "slide out", "tug open", "draw open", "unshut",
            "draw out", "get open", "crack open",
            "pull", "pull back", "jerk open", "tug", "tug out", "slide outwards", "expose", "reveal", "uncover",
            "unlatch", "unlock", "fling open", "throw open", "force open", "swing open", "prise open", "pry open",
            "push open", "work open", "get into", "move out", "widen",
            "wrench open", "roll out", "draw back", "heave open", "undo", "coax open", "unfasten", "lever open",
            "eject", "unseal",
        ),
        "close_drawer": (
            "close", "shut", "push shut", "slide shut", "push closed", "slide closed", "push in", "close up",
            "press shut", "slide in", "nudge shut", "bang shut",
            "push back", "push back in", "return", "bump shut", "tap shut", "ram shut", "ram in", "fasten",
            "knock shut", "press in", "press closed", "slide back", "slide back in", "lock", "latch", "secure",
            "force shut", "pull shut", "swing shut", "draw shut", "put back in", "tuck in", "send back in", "move in",
            "roll shut", "drive in", "click shut", "snap shut", "guide shut", "poke shut", "flick shut",
            "finish closing", "reclose",
        ),
        "put_in_drawer": (
            "put", "set", "move", "transfer", "deposit", "stick", "pop", "slip", "load", "tuck", "store", "file",
            "lay",
            "conceal", "bury", "lodge", "squirrel", "slide", "deliver",
        ),
        "take_out_of_drawer": (
            "take", "remove", "pull", "get", "lift", "pick", "bring", "fetch", "move", "fish", "dig", "pluck", "draw",
            "collect", "recover", "rescue", "unpack", "free", "clear", "tug", "liberate",
        ),
        "put_all_in": (
            "put", "move", "gather", "collect", "load", "pop", "set", "transfer", "clear", "deposit", "throw", "sort",
            "toss", "dump", "round up",
            "heap", "shovel", "lob", "bundle", "funnel", "consolidate", "group", "bring",
        ),
    },
    prepositions={
        "pick_up": (
            "from", "off", "off of", "up from", "up off",
        ),
        "put_in": (
            "in", "into", "inside", "down into",
        ),
        "put_on": (
            "on", "onto", "on top of", "upon", "down on", "down onto", "up on",
        ),
        "stack": (
            "on", "onto", "on top of", "upon", "up on", "up onto",
        ),
        "push_to": (
            "to", "up to", "over to", "towards", "against", "toward", "right up to", "all the way to", "up against",
        ),
        "open_drawer": (
            "by", "using", "with", "via",
        ),
        "close_drawer": (
            "by", "using", "with", "via",
        ),
        "put_in_drawer": (
            "in", "into", "inside", "down into",
        ),
        "take_out_of_drawer": (
            "out of", "from", "out from", "from inside", "from within", "from out of", "up out of",
        ),
        "put_all_in": (
            "in", "into", "inside", "down into",
        ),
    },
    states={
        "put_in": (
            "in", "inside", "down in", "safely in",
        ),
        "put_on": (
            "on", "on top of", "upon", "up on",
        ),
        "stack": (
            "on", "on top of", "upon", "up on",
        ),
        "put_in_drawer": (
            "in", "inside", "down in", "safely inside", "tucked away in",
        ),
        "put_all_in": (
            "in", "inside", "down in", "together in",
        ),
    },
    patterns={
        "pick_up": (
            "{v} {o}", "{v} {o} {p} the table", "{v} {o} and hold it", "{v} {o} into the air",
            "use the gripper to {v} {o}", "find {o} and {v} it", "go and {v} {o}", "pick {o} up", "lift {o} up",
            "~i want {o} in your gripper", "{v} {o} and hold {it}", "take {o} off the table and hold {it} up",
            "lift {o} into the air", "~i want you to {v} {o}", "~i need {o} in your gripper", "~can you {v} {o}",
            "go to {o} and {v} {it}", "find {o} and pick {it} up",
            "locate {o}, then {v} {it}", "~show me that you can {v} {o}", "wrap your fingers around {o} and {v} {it}",
        ),
        "put_in": (
            "{v} {o} {p} {t}", "~{p} {t}, {v} {o}", "take {o} and {v} {it} {p} {t}",
            "pick up {o} and {v} {it} {p} {t}", "lift {o} and {v} {it} {p} {t}", "get {o} {p} {t}",
            "make sure {o} {is} {q} {t}", "use the gripper to {v} {o} {p} {t}", "~{o} {goes} {p} {t}",
            "~{o} {belongs} {q} {t}", "~i want {o} {q} {t}", "~i would like {o} {q} {t}", "~can you {v} {o} {p} {t}",
            "find {o}, then {v} {it} {p} {t}", "~we are tidying up, {v} {o} {p} {t}", "~help me {v} {o} {p} {t}",
        ),
        "put_on": (
            "{v} {o} {p} {t}", "~{p} {t}, {v} {o}", "take {o} and {v} {it} {p} {t}",
            "pick up {o} and {v} {it} {p} {t}", "lift {o} and {v} {it} {p} {t}", "get {o} {p} {t}",
            "make sure {o} {is} {q} {t}", "use the gripper to {v} {o} {p} {t}", "~{o} {goes} {p} {t}",
            "~{o} {belongs} {q} {t}", "~i want {o} {q} {t}", "~i would like {o} {q} {t}", "~can you {v} {o} {p} {t}",
            "serve {o} on {t}", "~{o} should be resting {q} {t}", "lift {o} and set {it} down {p} {t}",
            "find {o}, then {v} {it} {p} {t}", "present {o} on {t}", "~i am setting the table, {v} {o} {p} {t}",
            "lower {o} gently until {it} {is} {q} {t}", "~help me {v} {o} {p} {t}", "arrange it so {o} {is} {q} {t}",
        ),
        "stack": (
            "{v} {o} {p} {t}", "~{p} {t}, {v} {o}", "take {o} and {v} {it} {p} {t}",
            "pick up {o} and {v} {it} {p} {t}", "lift {o} and {v} {it} {p} {t}", "get {o} {p} {t}",
            "make sure {o} {is} {q} {t}", "use the gripper to {v} {o} {p} {t}", "~{o} {goes} {p} {t}",
            "~{o} {belongs} {q} {t}", "~i want {o} {q} {t}", "~i would like {o} {q} {t}",
            "build a tower: {v} {o} {p} {t}", "make a tower with {o} {p} {t}", "make a tower with {o} on top of {t}",
            "~i want {o} stacked {q} {t}", "~{o} {goes} on top of {t}", "make sure {o} {is} stacked {q} {t}",
            "~can you {v} {o} {p} {t}", "lift {o} and balance {it} {q} {t}", "~{o} should sit on top of {t}",
        ),
        "push_to": (
            "{v} {o} {p} {t}", "~{p} {t}, {v} {o}", "{v} {o} along the table {p} {t}",
            "{v} {o} across the table {p} {t}", "{v} {o} until it touches {t}", "{v} {o} until it is next to {s}",
            "{v} {o} until it is beside {s}", "keep {o} on the table and {v} it {p} {t}", "make {o} slide {p} {t}",
            "~without lifting it, {v} {o} {p} {t}", "{v} {o} over {p} {t}", "~without lifting {it} {v} {o} {p} {t}",
            "keep {o} on the table and {v} {it} {p} {t}", "~i want {o} pushed over to {t}",
            "~can you {v} {o} {p} {t}", "~{o} should be slid along the table to {t}",
            "touch {o} and {v} {it} {p} {t}", "bring {o} up to {t} by sliding",
            "with a closed gripper {v} {o} {p} {t}",
        ),
        "open_drawer": (
            "{v} {t}", "pull {t} open", "slide {t} open", "pull {t} out", "slide {t} out {p} the handle",
            "{v} {t} {p} its handle", "use the handle to {v} {t}", "use the gripper to {v} {t}",
            "make sure {t} is open", "get {t} open", "~i want {t} open", "~{t} should be open", "~can you {v} {t}",
            "pull the handle of {t} towards you", "take the handle and pull {t} out",
            "{v} {t} as far as it goes", "~i need to get into {t}", "~{t} is shut, open it",
            "~{t} is closed, pull it open",
            "~{t} has to come out", "get {t} to come out", "go to {t} and {v} it", "find {t} and {v} it",
            "take hold of {t} and {v} it", "~i want to look into {t}", "hook the handle and {v} {t}",
            "{v} {t} so that we can look into it", "~make room: {v} {t}", "~i would like {t} to be open",
            "pull at the handle of {t} until it is open", "~{t} was left shut, open it",
            "~we need something from {t} so open it", "tug {t} open",
            "clasp the pull on {t} and {v} it",
        ),
        "close_drawer": (
            "{v} {t}", "push {t} shut", "push {t} closed", "slide {t} shut", "push {t} back in",
            "{v} {t} {p} its handle", "use the gripper to {v} {t}", "make sure {t} is closed", "get {t} closed",
            "~i want {t} closed", "~{t} should be shut", "slide {t} closed", "~can you {v} {t}",
            "push the handle and {v} {t}", "get {t} shut", "~{t} needs to be closed",
            "{v} {t} until it stops", "use its handle to {v} {t}", "~i would like {t} to be closed",
            "~i would like {t} to be shut", "touch the handle and {v} {t}", "~{t} is open, close it",
            "~{t} is open, please shut it", "~{t} was left open, shut it", "~{t} sticks out, shut it",
            "~we are done with {t} so close it", "bump {t} closed",
            "return {t} to its closed position", "~somebody forgot to shut {t}, {v} it", "~could {t} be closed",
        ),
        "put_in_drawer": (
            "{v} {o} {p} {t}", "~{p} {t}, {v} {o}", "take {o} and {v} {it} {p} {t}",
            "pick up {o} and {v} {it} {p} {t}", "lift {o} and {v} {it} {p} {t}", "get {o} {p} {t}",
            "make sure {o} {is} {q} {t}", "use the gripper to {v} {o} {p} {t}", "~{o} {goes} {p} {t}",
            "~{o} {belongs} {q} {t}", "~i want {o} {q} {t}", "~i would like {o} {q} {t}", "{v} {o} away {p} {t}",
            "put {o} away in {t}", "~can you {v} {o} {p} {t}", "keep {o} {q} {t}", "~{o} should be kept {q} {t}",
            "clear {o} off the table and into {t}",
            "~we are tidying up, {v} {o} {p} {t}", "return {o} to {t}", "find {o}, then {v} {it} {p} {t}",
            "~help me {v} {o} {p} {t}",
        ),
        "take_out_of_drawer": (
            "{v} {o} {p} {t}", "~{p} {t}, {v} {o}", "{v} {o} {p} {t} and put it on the table",
            "{v} {o} {p} {t} to the table", "use the gripper to {v} {o} {p} {t}", "find {o} and {v} it {p} {t}",
            "get {o} {p} {t}", "~{o} should come {p} {t}", "~i want {o} out of {t}", "~i want {o} taken out of {t}",
            "~{o} {is} in {t} so take {it} out", "look in {t} and take out {o}", "~can you {v} {o} {p} {t}",
            "~{o} {has} to come out of {t}", "go into {t} and bring out {o}", "~from {t} take out {o}",
            "get {o} out of {t} and onto the table", "~i need {o} from inside {t}",
            "rummage in {t} and hand over {o}", "~help me {v} {o} {p} {t}",
            "~somebody stored {o} in {t}, bring {it} back",
        ),
        "put_all_in": (
            "{v} {o} {p} {t}", "~{p} {t}, {v} {o}", "take {o} and {v} {it} {p} {t}",
            "pick up {o} and {v} {it} {p} {t}", "lift {o} and {v} {it} {p} {t}", "get {o} {p} {t}",
            "make sure {o} {is} {q} {t}", "use the gripper to {v} {o} {p} {t}", "~{o} {goes} {p} {t}",
            "~{o} {belongs} {q} {t}", "~i want {o} {q} {t}", "~i would like {o} {q} {t}", "~can you {v} {o} {p} {t}",
            "find {o} and {v} {it} {p} {t}", "clean up {o} into {t}", "clear {o} off the table and into {t}",
            "sort by color and {v} {o} {p} {t}", "go around the table and {v} {o} {p} {t}",
            "~help me {v} {o} {p} {t}", "keep going until {o} {is} {q} {t}",
        ),
    },
    manners=(
        "{s}", "please {s}", "{s} please", "can you {s}", "could you please {s}", "now {s}", "i want you to {s}",
        "i would like you to {s}", "robot, {s}", "your task is to {s}", "hey robot, {s}", "{s} now", "ok, {s}",
        "would you {s}", "{s} for me", "next, {s}", "{s}, thanks",
        "your job is to {s}", "the goal is to {s}", "will you {s}", "you should {s}", "{s} carefully",
        "when you are ready, {s}", "assistant, {s}", "{s} if you can", "it is time to {s}",
    ),
)
# fmt: on
