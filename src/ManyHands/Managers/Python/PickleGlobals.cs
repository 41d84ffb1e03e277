using System.Buffers;
using System.Collections.Frozen;
using ManyHands.Platform;

namespace ManyHands.Managers;

/// <summary>What is on the reader's stack and must not be in a value: a class, an object that lacks its state, a time zone.</summary>
internal abstract class NotAValue;

/// <summary>A tuple with something in it that is not a value; good for a call only.</summary>
internal sealed class PickleArguments(object?[] items) : NotAValue
{
    public ReadOnlySpan<object?> Items => items;

    public override string ToString() => "a tuple with a class in it";
}

/// <summary>A difference to UTC, as part of a time.</summary>
internal sealed class PickleTimeZone(PythonZone zone) : NotAValue
{
    public PythonZone Zone => zone;

    public override string ToString() => "a time zone";
}

/// <summary>A class of the closed table, by name. Nothing is behind it but what we make of its arguments.</summary>
internal sealed class PickleGlobal(string module, string name) : NotAValue
{
    public string Module => module;

    public string Name => name;

    /// <summary>Makes the value that a call with these arguments stands for.</summary>
    public PickleConstructor? OnCall { get; init; }

    /// <summary>Makes the value that an object with this state stands for.</summary>
    public Func<object?, object>? OnState { get; init; }

    public object? Call(ReadOnlySpan<object?> arguments, PickleWork work) =>
        OnCall is { } make ? make(this, arguments, work) : throw PickleReader.Invalid($"{this} is called");

    public PickleUnfinished New() => OnState is { } make ? new(this, make) : throw PickleReader.Invalid($"an object of {this} is made without arguments");

    public override string ToString() => $"the class {module}.{name}";
}

internal delegate object? PickleConstructor(PickleGlobal global, ReadOnlySpan<object?> arguments, PickleWork work);

/// <summary>An object whose state comes later.</summary>
internal sealed class PickleUnfinished(PickleGlobal global, Func<object?, object> make) : NotAValue
{
    private object? finished;

    public object Finished => finished ?? throw PickleReader.Invalid($"{this} is used");

    public object Finish(object? state) => finished = make(state);

    public override string ToString() => $"an unfinished object of {global}";
}

/// <summary>
/// What reading may cost beyond looking at each byte once. A few bytes can name what was there before, to compare it as a key or to copy it, and do so again and again.
/// </summary>
internal sealed class PickleWork(int length)
{
    private long left = (1L << 20) + (64L * length);
    private long copiesLeft = (1L << 20) + (8L * length);

    /// <summary>Calls copy from their arguments, and one argument can be named in many calls of a few bytes each.</summary>
    public void ChargeCopies(ReadOnlySpan<object?> arguments)
    {
        copiesLeft -= 8 * arguments.Length;
        foreach (object? argument in arguments)
        {
            copiesLeft -= argument switch
            {
                byte[] bytes => bytes.Length,
                string text => text.Length,
                IReadOnlyCollection<object?> items => 24L * items.Count,
                _ => 0,
            };
        }

        if (copiesLeft < 0)
            throw PickleReader.Invalid("its calls make far more than they were sent");
    }

    public void Add(PythonDictionary dictionary, object? key, object? value)
    {
        Charge(key);
        try
        {
            if (dictionary.ContainsKey(key) && PythonEquality.HoldsNaN(key))
                throw PickleReader.Invalid("two keys of a dict are nan, which are two keys in Python and one in .NET; send pairs, list(d.items())");
            dictionary[key] = value;
        }
        catch (ArgumentException refusal)
        {
            throw PickleReader.Invalid(ExceptionText.MessageOf(refusal));
        }
    }

    public void Add(PythonSet set, object? item)
    {
        Charge(item);
        try
        {
            if (!set.Add(item) && PythonEquality.HoldsNaN(item))
                throw PickleReader.Invalid("two items of a set are nan, which are two items in Python and one in .NET; send a list");
        }
        catch (ArgumentException refusal)
        {
            throw PickleReader.Invalid(ExceptionText.MessageOf(refusal));
        }
    }

    private void Charge(object? key)
    {
        left -= PythonEquality.WeightOf(key);
        if (left < 0)
            throw PickleReader.Invalid("its keys take too long to compare");
    }
}

/// <summary>The closed table of classes that plain values are written with, in Python 3's names and, for protocols 0 to 2, Python 2's.</summary>
internal static class PickleGlobals
{
    private static readonly string[] Builtins = ["builtins", "__builtin__"];

    private static readonly string[] Errors =
    [
        "ArithmeticError", "AssertionError", "AttributeError", "BaseException", "BlockingIOError", "BrokenPipeError", "BufferError", "BytesWarning", "ChildProcessError", "ConnectionAbortedError", "ConnectionError",
        "ConnectionRefusedError", "ConnectionResetError", "DeprecationWarning", "EOFError", "EnvironmentError", "Exception", "FileExistsError", "FileNotFoundError", "FloatingPointError", "FutureWarning",
        "GeneratorExit", "IOError", "ImportError", "ImportWarning", "IndentationError", "IndexError", "InterruptedError", "IsADirectoryError", "KeyError", "KeyboardInterrupt", "LookupError", "MemoryError",
        "ModuleNotFoundError", "NameError", "NotADirectoryError", "NotImplementedError", "OSError", "OverflowError", "PendingDeprecationWarning", "PermissionError", "ProcessLookupError", "RecursionError",
        "ReferenceError", "ResourceWarning", "RuntimeError", "RuntimeWarning", "StopAsyncIteration", "StopIteration", "SyntaxError", "SyntaxWarning", "SystemError", "SystemExit", "TabError",
        "TimeoutError", "TypeError", "UnboundLocalError", "UnicodeDecodeError", "UnicodeEncodeError", "UnicodeError", "UnicodeTranslateError", "UnicodeWarning", "UserWarning", "ValueError", "Warning",
        "ZeroDivisionError",
    ];

    private static readonly string[] Proxies =
    [
        "AcquirerProxy", "ArrayProxy", "AutoProxy", "BarrierProxy", "BaseListProxy", "BaseProxy", "ConditionProxy", "DictProxy", "EventProxy", "IteratorProxy", "ListProxy", "NamespaceProxy", "PoolProxy",
        "SetProxy", "ValueProxy",
    ];

    /// <summary>Classes that are in the table only because a defaultdict may have them as its factory.</summary>
    private static readonly string[] Factories = ["int", "float", "str", "bool", "tuple"];

    /// <summary>What a defaultdict may make.</summary>
    private static readonly string[] Made = [.. Factories, "list", "dict", "set", "frozenset", "bytes", "bytearray", "complex", "object"];

    private static readonly SearchValues<char> NameLetters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.<>");

    private static readonly FrozenDictionary<(string Module, string Name), PickleGlobal> Table = All().ToFrozenDictionary(static global => (global.Module, global.Name));

    /// <summary>Finds a class.</summary>
    /// <exception cref="InvalidPickleException">It is not in the table.</exception>
    public static PickleGlobal Find(string module, string name, PickleLimits limits)
    {
        if (Table.TryGetValue((module, name), out PickleGlobal? global))
            return global;
        if (limits.KeepsUnknownClasses && IsPlainName(module) && IsPlainName(name))
            return new PickleGlobal(module, name) { OnCall = PickleConstructors.Error };
        throw PickleReader.Invalid($"the class {PythonText.Of(module)}.{PythonText.Of(name)} is none of those that plain values are written with");
    }

    /// <summary>The class as a factory of a defaultdict, by the name that Python 3 has for it; null if it can't be one.</summary>
    public static PickleGlobal? FindFactory(PickleGlobal global) =>
        global is { Module: "__builtin__", Name: "long" } ? Table[(Builtins[0], "int")]
        : global is { Module: "__builtin__", Name: "unicode" } ? Table[(Builtins[0], "str")]
        : Builtins.Contains(global.Module) && Made.Contains(global.Name) ? Table[(Builtins[0], global.Name)]
        : global is { Module: "collections", Name: "OrderedDict" or "defaultdict" } ? global
        : null;

    private static bool IsPlainName(string name) => name.Length is > 0 and <= 200 && !name.AsSpan().ContainsAnyExcept(NameLetters);

    private static IEnumerable<PickleGlobal> All()
    {
        foreach (string module in Builtins)
        {
            yield return Call(module, "bytearray", PickleConstructors.ByteArray);
            yield return Call(module, "bytes", PickleConstructors.Bytes);
            yield return Call(module, "complex", PickleConstructors.Complex);
            yield return Call(module, "slice", PickleConstructors.Slice);
            yield return Call(module, "range", PickleConstructors.Range);
            yield return Call(module, "xrange", PickleConstructors.Range);
            yield return Call(module, "list", PickleConstructors.List);
            yield return Call(module, "dict", PickleConstructors.Dictionary);
            yield return Call(module, "set", PickleConstructors.Set);
            yield return Call(module, "frozenset", PickleConstructors.FrozenSet);
            yield return Call(module, "iter", PickleConstructors.Iterator);
            yield return new(module, "object");
            foreach (string name in Factories)
                yield return new(module, name);
        }

        // What Python 2 has for int and str; Python 3 says so in old protocols.
        yield return new(Builtins[1], "long");
        yield return new(Builtins[1], "unicode");
        yield return Call("_codecs", "encode", PickleConstructors.Encoded);
        yield return Call("copyreg", "_reconstructor", PickleConstructors.Reconstructed);
        yield return Call("copy_reg", "_reconstructor", PickleConstructors.Reconstructed);
        yield return Call("array", "array", PickleConstructors.Array);
        yield return Call("array", "_array_reconstructor", PickleConstructors.MachineArray);
        yield return Call("datetime", "datetime", PickleConstructors.DateTime);
        yield return Call("datetime", "date", PickleConstructors.Date);
        yield return Call("datetime", "time", PickleConstructors.Time);
        yield return Call("datetime", "timedelta", PickleConstructors.TimeDelta);
        yield return Call("datetime", "timezone", PickleConstructors.TimeZone);
        yield return Call("decimal", "Decimal", PickleConstructors.Decimal);
        yield return new("uuid", "UUID") { OnState = PickleConstructors.Uuid };
        yield return Call("collections", "OrderedDict", PickleConstructors.Dictionary);
        yield return Call("collections", "defaultdict", PickleConstructors.DefaultDictionary);

        foreach (string name in Errors)
        {
            foreach (string module in (string[])["builtins", "exceptions", "__builtin__"])
                yield return Call(module, name, PickleConstructors.BuiltinError);
        }

        foreach (string module in (string[])["queue", "_queue", "Queue"])
        {
            foreach (string name in (string[])["Empty", "Full", "ShutDown"])
                yield return Call(module, name, PickleConstructors.QueueError);
        }

        yield return Call("threading", "BrokenBarrierError", PickleConstructors.Error);
        foreach (string name in (string[])["AuthenticationError", "BufferTooShort", "ProcessError", "TimeoutError"])
        {
            foreach (string module in (string[])["multiprocessing.context", "multiprocessing"])
                yield return Call(module, name, PickleConstructors.Error);
        }

        foreach (string module in (string[])["socket", "select"])
            yield return Call(module, module == "socket" ? "timeout" : "error", PickleConstructors.Error);

        const string Managers = "multiprocessing.managers";
        yield return Call(Managers, "RemoteError", PickleConstructors.Error);
        yield return new(Managers, "Token") { OnState = PickleConstructors.Token, OnCall = static (_, arguments, _) => PickleConstructors.Token(new PythonTuple(arguments.ToArray(), isOurs: true)) };
        yield return Call(Managers, "RebuildProxy", PickleConstructors.Proxy);
        foreach (string name in Proxies)
            yield return new(Managers, name);
    }

    private static PickleGlobal Call(string module, string name, PickleConstructor make) => new(module, name) { OnCall = make };
}
