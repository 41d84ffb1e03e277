using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>A Python exception that the client is to raise.</summary>
internal sealed class PythonRaisedException(PythonError error) : Exception(error.ToString())
{
    public PythonError Error => error;

    public static PythonRaisedException Builtin(string name, string message) => new(PythonError.Builtin(name, message));

    public static PythonRaisedException Empty() => new(new("queue", "Empty", PythonTuple.Empty));

    public static PythonRaisedException Full() => new(new("queue", "Full", PythonTuple.Empty));

    /// <summary>What an exception of .NET's is in Python: the nearest there is, with its name in the text, and without its trace.</summary>
    public static PythonRaisedException Of(Exception thrown) => Builtin(
        thrown switch
        {
            KeyNotFoundException => "KeyError",
            IndexOutOfRangeException => "IndexError",
            ArgumentException or FormatException => "ValueError",
            TimeoutException => "TimeoutError",
            DivideByZeroException => "ZeroDivisionError",
            OverflowException => "OverflowError",
            NotImplementedException or NotSupportedException => "NotImplementedError",
            FileNotFoundException or DirectoryNotFoundException => "FileNotFoundError",
            UnauthorizedAccessException => "PermissionError",
            EndOfStreamException => "EOFError",
            IOException => "OSError",
            _ => "RuntimeError",
        },
        $"{ReadableName.Of(thrown.GetType())}: {ExceptionText.MessageOf(thrown)}");

    /// <summary>What an object's refusal is in Python.</summary>
    public static PythonRaisedException Of(FailureKind kind, string message) => kind switch
    {
        FailureKind.Completed => Builtin("ValueError", message),
        FailureKind.Quota => Builtin("MemoryError", message),
        FailureKind.NotHeld => Builtin("RuntimeError", message),
        FailureKind.Broken => new(new("threading", "BrokenBarrierError", PythonTuple.Empty)),
        FailureKind.OutOfRange => Builtin("IndexError", message),
        FailureKind.Gone => Builtin("EOFError", message),
        _ => Builtin("RuntimeError", message),
    };
}

/// <summary>What a client is told as text only: there is no such object, no such method, or it made no sense.</summary>
internal sealed class PythonRefusedException(string type, string message) : Exception(message)
{
    /// <summary>As the end of a Python traceback; the client prints it between two lines.</summary>
    public string Text => $"{type}: {Message}\n";
}

/// <summary>A result that Python has no counterpart for.</summary>
internal sealed class PythonUnsendableException(string message) : Exception(message);
