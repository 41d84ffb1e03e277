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

    internal string Problem { get; }

    /// <summary>The same, seen from what it is in.</summary>
    internal PythonConversionException Within(string part) => new(part + Path, Problem, InnerException);
}
