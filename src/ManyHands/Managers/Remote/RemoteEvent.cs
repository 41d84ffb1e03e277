namespace ManyHands.Managers;

/// <summary>A manager's event, as its users have it.</summary>
internal sealed class RemoteEvent(ManagerLink link, string name) : RemoteWaitable(link, name, ObjectKind.Event), ISharedEvent
{
    public bool IsSet => Ask(Operation.State, traits: RequestTraits.Repeatable).Span is [1];

    public SharedEventMode Mode { get; private set; }

    public override void Learn(ReadOnlyMemory<byte> description) => Mode = Read(description, static (ref reader) => (SharedEventMode)reader.ReadByte());

    public void Set() => Ask(Operation.Set);

    public void Reset() => Ask(Operation.Reset);

    public void Wait(CancellationToken token = default) => TryWait(Timeout.InfiniteTimeSpan, token);

    public bool TryWait(TimeSpan timeout, CancellationToken token = default)
    {
        BeginWait(timeout, token);
        return AskWaiting(Operation.Await, default, timeout, RequestTraits.Repeatable, GiveBack, token).Body.Span is [1];
    }

    public async ValueTask WaitAsync(CancellationToken token = default) => await TryWaitAsync(Timeout.InfiniteTimeSpan, token).ConfigureAwait(false);

    public async ValueTask<bool> TryWaitAsync(TimeSpan timeout, CancellationToken token = default)
    {
        BeginWait(timeout, token);
        return (await AskWaitingAsync(Operation.Await, default, timeout, RequestTraits.Repeatable, GiveBack, token).ConfigureAwait(false)).Body.Span is [1];
    }

    // The signal was one waiter's, who doesn't wait any more.
    private void GiveBack(ReadOnlyMemory<byte> answer)
    {
        if (Mode == SharedEventMode.AutoReset && answer.Span is [1])
            Link.Post(this, Operation.Set, default);
    }
}
