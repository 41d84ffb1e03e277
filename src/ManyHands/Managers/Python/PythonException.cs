using ManyHands.Managers;

namespace ManyHands;

/// <summary>What was called in Python raised an exception, or Python's manager refused the call.</summary>
public sealed class PythonException : Exception
{
    internal PythonException(PythonError error)
        : base(error.Arguments.Count == 0 ? $"Python raised {error.Type}." : $"Python raised {error}.")
    {
        PythonType = error.Type;
        Arguments = error.Arguments;
    }

    internal PythonException(string remoteText)
        : base($"Python's manager answered: {LastLine(remoteText)}")
    {
        PythonType = "multiprocessing.managers.RemoteError";
        Arguments = [remoteText];
        RemoteText = remoteText;
    }

    /// <summary>The exception's class, such as <c>KeyError</c> or <c>queue.Empty</c>; <c>multiprocessing.managers.RemoteError</c> for a refusal.</summary>
    public string PythonType { get; }

    /// <summary>What the exception was made with, its <c>args</c>.</summary>
    public IReadOnlyList<object?> Arguments { get; }

    /// <summary>The trace or the text of a refusal, as Python wrote it; null for what was raised by the method itself, whose trace doesn't travel.</summary>
    public string? RemoteText { get; }

    private static string LastLine(string text)
    {
        string[] lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return lines.Length == 0 ? "nothing" : lines[^1].Trim('-') is { Length: > 0 } line ? line : text.Trim();
    }
}
