using System.Diagnostics;
using ManyHands.Platform;

namespace ManyHands.Managers;

/// <summary>A request that a client has made and that is not answered yet. Completed once; what comes later is given back.</summary>
internal sealed class PendingRequest
{
    /// <summary>How long an answer is waited for that has to be awaited though its request was cancelled.</summary>
    private static readonly long Patience = 2 * Stopwatch.Frequency;

    private readonly RequestTraits traits;
    private readonly Action<ReadOnlyMemory<byte>>? undo;
    private readonly CancellationToken token;
    private readonly TaskCompletionSource<ReadOnlyMemory<byte>> outcome;
    private CancellationTokenRegistration registration;
    private object? answeredOn;

    public PendingRequest(RemoteObject target, Operation operation, TimeSpan wait, RequestTraits traits, Action<ReadOnlyMemory<byte>>? undo, CancellationToken token)
    {
        Target = target;
        Operation = operation;
        this.traits = traits;
        this.undo = undo;
        this.token = token;
        outcome = new(this, TaskCreationOptions.RunContinuationsAsynchronously);
        WaitEnd = wait == Timeout.InfiniteTimeSpan ? long.MaxValue : Stopwatch.GetTimestamp() + (long)(wait.TotalSeconds * Stopwatch.Frequency);
    }

    public RemoteObject Target { get; }

    public Operation Operation { get; }

    public bool IsRepeatable => (traits & RequestTraits.Repeatable) != 0;

    public bool AnswerIsAwaited => (traits & (RequestTraits.AnswerIsAwaited | RequestTraits.AnswerIsOwed)) != 0;

    public bool AnswerIsOwed => (traits & RequestTraits.AnswerIsOwed) != 0;

    public CancellationToken Token => token;

    public Task<ReadOnlyMemory<byte>> Task => outcome.Task;

    public bool IsCompleted => outcome.Task.IsCompleted;

    /// <summary>Under which it is known on the connection it was last sent on.</summary>
    public uint Id { get; set; }

    /// <summary>Kept as long as it can be sent (again).</summary>
    public byte[]? Body { get; set; }

    /// <summary>When it ends without an answer; <see cref="long.MaxValue"/> for never.</summary>
    public long Due { get; set; } = long.MaxValue;

    /// <summary>When its own waiting is over; the manager hears what is left of it.</summary>
    public long WaitEnd { get; }

    /// <summary>What is left of its time to wait, in milliseconds, rounded up; -1 for ever.</summary>
    public long MillisecondsLeft =>
        WaitEnd == long.MaxValue ? -1 : Math.Max(0, (long)Math.Ceiling((WaitEnd - Stopwatch.GetTimestamp()) * 1000.0 / Stopwatch.Frequency));

    public void Watch(Action<PendingRequest> canceled)
    {
        registration = Guarded.OnCanceled(
            GuardedEntry.ManagerRequestCancellation,
            token,
            (Request: this, Canceled: canceled),
            static one => one.Canceled(one.Request),
            static one => $"the cancellation of {one.Request.Operation}, which failed",
            static (one, reason) => one.Request.Refuse(reason));
    }

    /// <summary>The connection that the answer came on; null if it was none.</summary>
    public static object? AnsweredOn(Task<ReadOnlyMemory<byte>> task) => (task.AsyncState as PendingRequest)?.answeredOn;

    /// <summary>The manager's answer, a copy of it.</summary>
    public void Answer(ReadOnlyMemory<byte> body, object? connection = null)
    {
        // Without waiting for one that cancels right now: it may wait for what this thread holds.
        registration.Unregister();
        answeredOn = connection;
        if (!outcome.TrySetResult(body))
            undo?.Invoke(body);
    }

    /// <summary>The manager's refusal.</summary>
    public void Refuse(Exception reason)
    {
        registration.Unregister();
        if (reason is OperationCanceledException && token.IsCancellationRequested)
            outcome.TrySetCanceled(token);
        else
            outcome.TrySetException(reason);
    }

    /// <summary>Its caller has cancelled.</summary>
    public void Cancel()
    {
        if (AnswerIsOwed)
            return;
        if (AnswerIsAwaited)
            Due = Stopwatch.GetTimestamp() + Patience;
        else
            outcome.TrySetCanceled(token);
    }

    /// <summary>It takes too long.</summary>
    public void TimeOut(string message)
    {
        if (token.IsCancellationRequested)
            outcome.TrySetCanceled(token);
        else
            outcome.TrySetException(new TimeoutException(message));
    }
}
