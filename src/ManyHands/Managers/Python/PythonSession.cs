using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>
/// The use of a manager's objects by one connection of a Python client, which is one thread there. It asks one thing at a time, so that its next request says that the answer to the last one has arrived: until then
/// an item that it was given can come back.
/// </summary>
internal sealed class PythonSession(string name, PythonFrameBuffer? outgoing = null) : ManagerSession(name)
{
    /// <summary>Stands for a result that is written already.</summary>
    public static readonly object Written = new();

    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private PythonHostedRequest? current;

    /// <summary>Asks an object for something.</summary>
    /// <param name="taken">For what is taken from the object by this: makes what the client is given of the key and the value. It is written before it is taken, and if that fails, nothing is.</param>
    /// <returns>The answer's body.</returns>
    /// <exception cref="PythonRaisedException">It was refused.</exception>
    /// <exception cref="OperationCanceledException">The connection has ended.</exception>
    /// <exception cref="PythonUnsendableException">What would have been taken has no counterpart in Python.</exception>
    public Task<ReadOnlyMemory<byte>> AskAsync(HostedObject target, Operation operation, TimeSpan wait = default, ReadOnlyMemory<byte> body = default, Func<byte[], byte[], object?>? taken = null)
    {
        target.AwaitRoom();
        PythonHostedRequest request = new(this, target, operation, wait, taken);
        using (FlushScope.Enter())
        {
            try
            {
                PayloadReader reader = new(body);
                target.Handle(request, ref reader);
            }
            catch (InvalidPayloadException damage)
            {
                request.Refuse(FailureKind.BadRequest, ExceptionText.MessageOf(damage));
            }
            catch (Exception reason)
            {
                request.Fail(reason);
            }
        }

        // One that is answered doesn't take the place of one that waits: others may ask under this session's name, to give back what it holds.
        if (!request.Task.IsCompleted)
            Interlocked.Exchange(ref current, request);
        if (IsEnded)
            request.Abandon();
        return request.Task;
    }

    /// <summary>Writes what the client is about to be given for good, before it is taken from the object.</summary>
    /// <exception cref="PythonUnsendableException">It has no counterpart in Python, or can't be read at all.</exception>
    public void WriteTaken(HostedObject source, Func<object?> read)
    {
        try
        {
            outgoing!.Clear();
            PickleWriter.Write(outgoing, new PythonTuple("#RETURN", read()));
        }
        catch (Exception problem)
        {
            outgoing!.Clear();
            throw new PythonUnsendableException($"What '{source.Name}' has to give stays there, for clients that can use it: {ExceptionText.MessageOf(problem)}");
        }
    }

    /// <summary>Ends it, and whoever waits for an answer.</summary>
    public void EndAll()
    {
        End();
        Volatile.Read(ref current)?.Abandon();
        ended.TrySetCanceled();
    }

    /// <summary>Waits for what is no object's answer.</summary>
    /// <exception cref="OperationCanceledException">The connection has ended.</exception>
    public async Task UntilEnded(Task other) => await (await Task.WhenAny(other, ended.Task).ConfigureAwait(false)).ConfigureAwait(false);

    private sealed class PythonHostedRequest(PythonSession session, HostedObject target, Operation operation, TimeSpan timeout, Func<byte[], byte[], object?>? taken) : HostedRequest(session, operation, timeout)
    {
        private readonly TaskCompletionSource<ReadOnlyMemory<byte>> outcome = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<ReadOnlyMemory<byte>> Task => outcome.Task;

        public void Abandon() => outcome.TrySetCanceled();

        public override bool CanTake(byte[] key, byte[] value)
        {
            try
            {
                if (taken is not null)
                    session.WriteTaken(target, () => taken(key, value));
                return true;
            }
            catch (PythonUnsendableException refusal)
            {
                Refuse(refusal);
                return false;
            }
        }

        protected override void Send(ReadOnlySpan<byte> head, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
        {
            byte[] body = new byte[head.Length + first.Length + second.Length];
            head.CopyTo(body);
            first.CopyTo(body.AsSpan(head.Length));
            second.CopyTo(body.AsSpan(head.Length + first.Length));
            outcome.TrySetResult(body);
        }

        protected override void SendFailure(FailureKind kind, string message) => outcome.TrySetException(PythonRaisedException.Of(kind, message));

        protected override void SendFailure(Exception thrown) => outcome.TrySetException(thrown as PythonUnsendableException ?? (Exception)PythonRaisedException.Of(thrown));
    }
}
