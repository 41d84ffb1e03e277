using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>
/// The use of a manager's objects by one connection of a Python client, which is one thread there. It asks one thing at a time, so that its next request says that the answer to the last one has arrived: until then
/// an item that it was given can come back.
/// </summary>
internal sealed class PythonSession(string name) : ManagerSession(name)
{
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private PythonHostedRequest? current;

    /// <summary>Asks an object for something.</summary>
    /// <returns>The answer's body.</returns>
    /// <exception cref="PythonRaisedException">It was refused.</exception>
    /// <exception cref="OperationCanceledException">The connection has ended.</exception>
    public Task<ReadOnlyMemory<byte>> AskAsync(HostedObject target, Operation operation, TimeSpan wait = default, ReadOnlyMemory<byte> body = default)
    {
        target.AwaitRoom();
        PythonHostedRequest request = new(this, operation, wait);
        using (FlushScope.Enter())
        {
            try
            {
                PayloadReader reader = new(body);
                target.Handle(request, ref reader);
            }
            catch (InvalidPayloadException damage)
            {
                request.Refuse(FailureKind.BadRequest, damage.Message);
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

    private sealed class PythonHostedRequest(PythonSession session, Operation operation, TimeSpan timeout) : HostedRequest(session, operation, timeout)
    {
        private readonly TaskCompletionSource<ReadOnlyMemory<byte>> outcome = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<ReadOnlyMemory<byte>> Task => outcome.Task;

        public void Abandon() => outcome.TrySetCanceled();

        protected override void Send(ReadOnlySpan<byte> head, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
        {
            byte[] body = new byte[head.Length + first.Length + second.Length];
            head.CopyTo(body);
            first.CopyTo(body.AsSpan(head.Length));
            second.CopyTo(body.AsSpan(head.Length + first.Length));
            outcome.TrySetResult(body);
        }

        protected override void SendFailure(FailureKind kind, string message) => outcome.TrySetException(PythonRaisedException.Of(kind, message));

        protected override void SendFailure(Exception thrown) => outcome.TrySetException(PythonRaisedException.Of(thrown));
    }
}
