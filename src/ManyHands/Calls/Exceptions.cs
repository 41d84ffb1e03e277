namespace ManyHands;

/// <summary>
/// The function threw an exception of a type that isn't rebuilt here: one of your own, or one that only the worker knows.
/// </summary>
/// <remarks>
/// Well-known exceptions of .NET itself come back as themselves. Others never make this process load a type that a worker names, so
/// they come as this one, with everything that can be read. <see cref="Exception.InnerException"/> holds the inner exceptions the same way,
/// in an <see cref="AggregateException"/> if there are several, and <see cref="Exception.StackTrace"/> begins with the stack in the worker.
/// <para>Of any exception travel at most 64 inner ones of one exception, 16 levels and 512 in all, texts of 64 Ki characters, and 32 entries of <see cref="Exception.Data"/>: text, <see cref="bool"/>,
/// <see cref="int"/>, <see cref="long"/> and <see cref="double"/> as they are, anything else as its text. Where something was left out, it says so: an exception of this type whose <see cref="RemoteType"/> is <c>(left out)</c>
/// says how many inner ones, a text ends with its length.</para>
/// </remarks>
public sealed class RemoteException : Exception
{
    internal RemoteException(string remoteType, string remoteMessage, string? remoteStackTrace, Exception? inner)
        : base($"{remoteType}: {remoteMessage}", inner)
    {
        RemoteType = remoteType;
        RemoteMessage = remoteMessage;
        RemoteStackTrace = remoteStackTrace;
    }

    /// <summary>The full name of the exception's type in the worker, such as <c>MyApp.OrderException</c>.</summary>
    public string RemoteType { get; }

    /// <summary>The message as the worker's exception had it.</summary>
    public string RemoteMessage { get; }

    /// <summary>The stack in the worker, or null when the exception had none.</summary>
    public string? RemoteStackTrace { get; }

    /// <summary>Whether the worker's exception was exactly of this type.</summary>
    public bool Is<TException>()
        where TException : Exception => RemoteType == typeof(TException).FullName;
}

/// <summary>The process that ran the call ended before the call did: killed, crashed, or ended by the function itself.</summary>
public sealed class WorkerCrashedException : Exception
{
    internal WorkerCrashedException(string message, WorkerExit exit, TimeSpan ranFor)
        : base(message)
    {
        Exit = exit;
        RanFor = ranFor;
    }

    /// <summary>All that is known about the end of the process.</summary>
    public WorkerExit Exit { get; }

    /// <summary>The process id that the worker had.</summary>
    public int ProcessId => Exit.ProcessId;

    /// <summary>The signal that ended it, such as 9 for SIGKILL or 11 for a segmentation fault; null if it exited.</summary>
    public int? Signal => Exit.Signal;

    /// <summary>The exit code; null if a signal ended it.</summary>
    public int? ExitCode => Exit.ExitCode;

    /// <summary>The last lines of its standard error, oldest first; at most 20.</summary>
    public IReadOnlyList<string> LastErrorLines => Exit.LastErrorLines;

    /// <summary>How long the call had been running.</summary>
    public TimeSpan RanFor { get; }
}

/// <summary>The function ran longer than <see cref="CallOptions.Timeout"/> allows.</summary>
public sealed class CallTimeoutException : TimeoutException
{
    internal CallTimeoutException(string message, TimeSpan limit)
        : base(message) => Limit = limit;

    /// <summary>The limit that was exceeded.</summary>
    public TimeSpan Limit { get; }
}

/// <summary>
/// The call can't travel to another process as it is: an argument, a captured variable, the function itself or its result. The message says
/// which, why, and what to write instead. For arguments and captured variables it is thrown by the call itself, before anything was sent.
/// </summary>
public sealed class UnsendableCallException : Exception
{
    internal UnsendableCallException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}

/// <summary>The pool's workers can't start, so none of its calls can run. The message holds the reason and what the last worker wrote to standard error.</summary>
public sealed class PoolBrokenException : Exception
{
    internal PoolBrokenException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
