namespace ManyHands.Managers;

/// <summary>A manager's object whose users wait for others at it. Whoever waits when it is disposed of is told.</summary>
#pragma warning disable CA1001 // Its source has no timer and no links of its own, and may be cancelled at any time.
internal abstract class RemoteWaitable(ManagerLink link, string name, ObjectKind kind) : RemoteObject(link, name, kind, "")
#pragma warning restore CA1001
{
    private readonly CancellationTokenSource ending = new();

    protected override void DisposeOnce() => ending.Cancel();

    protected void BeginWait(TimeSpan timeout, CancellationToken token)
    {
        Platform.WaitAttempt.Checked(timeout);
        ThrowIfDisposed();
        token.ThrowIfCancellationRequested();
    }

    /// <summary>Asks for something that it waits for, on this thread.</summary>
    /// <exception cref="OperationCanceledException">Cancelled by the caller.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of meanwhile.</exception>
    protected WaitAnswer AskWaiting(Operation operation, ReadOnlyMemory<byte> body, TimeSpan wait, RequestTraits traits, Action<ReadOnlyMemory<byte>>? undo, CancellationToken token)
    {
        using CancellationTokenSource? both = Both(token);
        try
        {
            Task<ReadOnlyMemory<byte>> task = AskAsync(operation, body, wait, traits, undo, both?.Token ?? ending.Token);
            return AnswerOf(task, task.GetAwaiter().GetResult());
        }
        catch (OperationCanceledException) when (token.IsCancellationRequested || IsDisposed)
        {
            throw Ended(token);
        }
    }

    /// <inheritdoc cref="AskWaiting"/>
    protected async ValueTask<WaitAnswer> AskWaitingAsync(Operation operation, ReadOnlyMemory<byte> body, TimeSpan wait, RequestTraits traits, Action<ReadOnlyMemory<byte>>? undo, CancellationToken token)
    {
        using CancellationTokenSource? both = Both(token);
        try
        {
            Task<ReadOnlyMemory<byte>> task = AskAsync(operation, body, wait, traits, undo, both?.Token ?? ending.Token);
            return AnswerOf(task, await task.ConfigureAwait(false));
        }
        catch (OperationCanceledException) when (token.IsCancellationRequested || IsDisposed)
        {
            throw Ended(token);
        }
    }

    private CancellationTokenSource? Both(CancellationToken token) => token.CanBeCanceled ? CancellationTokenSource.CreateLinkedTokenSource(token, ending.Token) : null;

    private Exception Ended(CancellationToken token) => token.IsCancellationRequested ? new OperationCanceledException(token) : new ObjectDisposedException(ToString());

    private WaitAnswer AnswerOf(Task<ReadOnlyMemory<byte>> task, ReadOnlyMemory<byte> body) => new(body, PendingRequest.AnsweredOn(task) ?? Link.Epoch);
}

/// <summary>What the manager gave, and under which connection: what is held is held as long as that is there.</summary>
internal readonly record struct WaitAnswer(ReadOnlyMemory<byte> Body, object? Epoch);
