namespace ManyHands;

/// <summary>A value of Python's has no counterpart in the .NET type that is asked for, or a .NET value none in Python.</summary>
public sealed class PythonConversionException : Exception
{
    internal PythonConversionException(string path, string problem, Exception? inner = null)
        : base(path.Length == 0 ? $"{char.ToUpperInvariant(problem[0])}{problem[1..]}." : $"{path}: {problem}.", inner)
    {
        Path = path;
        Problem = problem;
    }

    /// <summary>Where it is in the value: <c>item.Address.Zip</c>, <c>item[3]</c>; empty if it is all of it.</summary>
    public string Path { get; }

    /// <summary>
    /// What came from Python and couldn't be converted, as the plain value that it is there; null if nothing came, or nothing that can be read. An item that a queue of Python's has given away by then is not lost: this is it, and
    /// it may be sent back: <c>queue.Proxy.CallAsync("put", [failure.Value])</c>.
    /// </summary>
    public object? Value { get; private init; }

    /// <summary>The pickle of Python's whole answer, <c>("#RETURN", value)</c>, where it can't be read, as one with an object of a class of its own. Python's <c>pickle.loads</c> can.</summary>
    public ReadOnlyMemory<byte> Pickle { get; private init; }

    internal string Problem { get; }

    /// <summary>The same, seen from what it is in.</summary>
    internal PythonConversionException Within(string part) => Within(part, Value);

    internal PythonConversionException Within(string part, object? value) => new(part + Path, Problem, InnerException) { Value = value, Pickle = Pickle };

    internal static PythonConversionException Unreadable(string path, string problem, ReadOnlySpan<byte> pickle, Exception inner) => new(path, problem, inner) { Pickle = pickle.ToArray() };
}
