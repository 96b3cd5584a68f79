/* Names that a pickle may not hold. The pickle machine calls nothing, so this protects whoever
 * hands the file on to Python, and says at once what a hostile file is. Classes that are merely
 * unknown stay opaque. */
#include "checkpoint/objects/pickle_names.h"

#include <string.h>

/* Functions that no checkpoint has a use for; a module ending in '.' stands for all it holds, and
 * is one that nobody calls a package of his own. A file that names one was made to attack whoever
 * loads it with Python's pickle. getattr is not among them: enumerations, nested classes and bound
 * methods are pickled with it. */
static const char *const refused[] = {
    "os.",
    "posix.",
    "nt.",
    "sys.",
    "subprocess.",
    "commands.getoutput",
    "commands.getstatus",
    "commands.getstatusoutput",
    "popen2.",
    "shutil.",
    "socket.",
    "ctypes.",
    "importlib.",
    "imp.",
    "runpy.",
    "code.InteractiveConsole",
    "code.InteractiveInterpreter",
    "code.interact",
    "codeop.",
    "pty.",
    "pdb.",
    "bdb.",
    "timeit.",
    "webbrowser.",
    "pickle.",
    "_pickle.",
    "cPickle.",
    "marshal.",
    "shelve.",
    "dill.",
    "joblib.",
    "asyncio.",
    "signal.",
    "multiprocessing.",
    "threading.",
    "urllib.",
    "http.",
    "requests.",
    "ftplib.",
    "smtplib.",
    "tempfile.",
    "pip.",
    "ensurepip.",
    "venv.",
    "pydoc.",
    "doctest.",
    "cProfile.",
    "profile.run",
    "profile.runctx",
    "profile.Profile",
    "trace.Trace",
    "trace.main",
    "idlelib.",
    "builtins.eval",
    "builtins.exec",
    "builtins.compile",
    "builtins.open",
    "builtins.__import__",
    "builtins.setattr",
    "builtins.delattr",
    "builtins.globals",
    "builtins.locals",
    "builtins.vars",
    "builtins.input",
    "builtins.breakpoint",
    "builtins.apply",
    "builtins.execfile",
    "builtins.file",
    "builtins.map",
    "builtins.filter",
    "operator.",
    "_operator.",
    "functools.reduce",
    "torch.hub.",
    "torch.load",
    "torch.jit.",
    "torch.utils.cpp_extension.",
    "torch.serialization.",
    "torch.storage._load_from_bytes",
    "torch.ops.",
    "torch.package.",
    "numpy.load",
    "numpy.loadtxt",
    "numpy.fromfile",
    "numpy.memmap",
    "numpy.save",
    "numpy.f2py.",
    "numpy.testing.",
    "numpy.distutils.",
    "io.",
    "_io.",
    "pathlib.Path.",
    "types.CodeType",
    "types.FunctionType",
};

/* What stands in a refused module and is harmless: a sparse tensor's layout, or one among the
 * options. */
static const char *const harmless[] = {"torch.serialization._get_layout"};

bool pickle_name_refused(const char *name)
{
    char modern[128];
    if (strncmp(name, "__builtin__.", 12) == 0 && strlen(name) < sizeof modern - 1) {
        memcpy(modern, "builtins.", 9);
        memcpy(modern + 9, name + 12, strlen(name + 12) + 1);
        name = modern;
    }
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        if (strcmp(name, harmless[i]) == 0)
            return false;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        size_t n = strlen(refused[i]);
        if (strncmp(name, refused[i], n) == 0 && (refused[i][n - 1] == '.' || name[n] == 0))
            return true;
    }
    return false;
}
