namespace ManyHands.Managers;

/// <summary>A manager's barrier, as its users have it.</summary>
internal sealed class RemoteBarrier(ManagerLink link, string name) : RemoteWaitable(link, name, ObjectKind.Barrier), ISharedBarrier
{
    public int Parties { get; private set; }

    public int Waiting => State().Waiting;

    public bool IsBroken => State().IsBroken;

    public override void Learn(ReadOnlyMemory<byte> description) => Parties = Read(description, static (ref reader) => reader.ReadUnmanaged<int>());

    public BarrierPassage SignalAndWait(Action? action = null, CancellationToken token = default)
    {
        TrySignalAndWait(Timeout.InfiniteTimeSpan, out BarrierPassage passage, action, token);
        return passage;
    }

    public bool TrySignalAndWait(TimeSpan timeout, out BarrierPassage passage, Action? action = null, CancellationToken token = default)
    {
        BeginWait(timeout, token);
        (PassageResult result, passage) = Passage(AskWaiting(Operation.Arrive, Body(action), timeout, RequestTraits.AnswerIsAwaited, GiveUpAction, token));
        if (result == PassageResult.RunAction)
        {
            Run(action!, passage);
            Ask(Operation.ActionDone, DoneBody(true, passage.Phase), token: CancellationToken.None);
        }

        return result != PassageResult.TimedOut;
    }

    public async ValueTask<BarrierPassage> SignalAndWaitAsync(Action? action = null, CancellationToken token = default) =>
        (await TrySignalAndWaitAsync(Timeout.InfiniteTimeSpan, action, token).ConfigureAwait(false))!.Value;

    public async ValueTask<BarrierPassage?> TrySignalAndWaitAsync(TimeSpan timeout, Action? action = null, CancellationToken token = default)
    {
        BeginWait(timeout, token);
        (PassageResult result, BarrierPassage passage) = Passage(await AskWaitingAsync(Operation.Arrive, Body(action), timeout, RequestTraits.AnswerIsAwaited, GiveUpAction, token).ConfigureAwait(false));
        if (result == PassageResult.RunAction)
        {
            Run(action!, passage);
            await AskAsync(Operation.ActionDone, DoneBody(true, passage.Phase), token: CancellationToken.None).ConfigureAwait(false);
        }

        return result == PassageResult.TimedOut ? null : passage;
    }

    public void Abort() => Ask(Operation.Abort);

    public void Reset() => Ask(Operation.Reset);

    private static byte[] Body(Action? action) => [action is null ? (byte)0 : (byte)1];

    private static byte[] DoneBody(bool succeeded, long phase)
    {
        byte[] body = new byte[1 + 8];
        body[0] = succeeded ? (byte)1 : (byte)0;
        BitConverter.TryWriteBytes(body.AsSpan(1), phase);
        return body;
    }

    private void Run(Action action, BarrierPassage passage)
    {
        bool isDone = false;
        try
        {
            action();
            ThrowIfDisposed();
            isDone = true;
        }
        finally
        {
            if (!isDone)
                Link.Post(this, Operation.ActionDone, DoneBody(false, passage.Phase));
        }
    }

    private (PassageResult Result, BarrierPassage Passage) Passage(WaitAnswer answer) => Read(answer.Body, static (ref reader) =>
    {
        PassageResult result = (PassageResult)reader.ReadByte();
        return result == PassageResult.TimedOut ? (result, default) : (result, new BarrierPassage(reader.ReadUnmanaged<int>(), reader.ReadUnmanaged<long>()));
    });

    // Nobody is there to run it.
    private void GiveUpAction(ReadOnlyMemory<byte> answer)
    {
        (PassageResult result, BarrierPassage passage) = Passage(new(answer, null));
        if (result == PassageResult.RunAction)
            Link.Post(this, Operation.ActionDone, DoneBody(false, passage.Phase));
    }

    private (int Waiting, bool IsBroken) State() =>
        Read(Ask(Operation.State, traits: RequestTraits.Repeatable), static (ref reader) => (reader.ReadUnmanaged<int>(), reader.ReadByte() != 0));
}
