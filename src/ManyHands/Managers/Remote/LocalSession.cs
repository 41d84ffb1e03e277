using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>The use of a manager's objects by its own process: no connection, and nothing that could get lost on the way.</summary>
internal sealed class LocalSession(ManagerFaults faults) : ManagerLink
{
    private readonly OwnSession session = new() { Faults = faults };

    public override object? Epoch => this;

    public void End() => session.End();

    public override Task<ReadOnlyMemory<byte>> SendAsync(
        RemoteObject target, Operation operation, TimeSpan wait, ReadOnlyMemory<byte> body, RequestTraits traits, Action<ReadOnlyMemory<byte>>? undo, CancellationToken token)
    {
        token.ThrowIfCancellationRequested();
        target.Hosted!.AwaitRoom();
        LocalRequest request = new(session, operation, wait, undo, token);
        using (FlushScope.Enter())
        {
            if (session.IsEnded)
                request.Refuse(new ManagerException(ManagerError.Gone, "The manager has stopped."));
            else
                Handle(target, request, body);
        }

        request.Watch();
        return request.Task;
    }

    public override void Post(RemoteObject target, Operation operation, ReadOnlyMemory<byte> body)
    {
        target.Hosted!.AwaitRoom();
        using FlushScope scope = FlushScope.Enter();
        if (!session.IsEnded)
            Handle(target, new LocalRequest(session, operation, TimeSpan.Zero, null, default), body);
    }

    public override Task SentAsync() => Task.CompletedTask;

    public override ReadOnlyMemory<byte> Open(RemoteObject target)
    {
        using PayloadWriter writer = new(64);
        target.Hosted!.Describe(writer);
        return writer.WrittenSpan.ToArray();
    }

    public override bool IsCurrent(object? epoch) => epoch == this && !session.IsEnded;

    private static void Handle(RemoteObject target, LocalRequest request, ReadOnlyMemory<byte> body)
    {
        try
        {
            PayloadReader reader = new(body);
            target.Hosted!.Handle(request, ref reader);
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

    private sealed class OwnSession() : ManagerSession("the manager's own process")
    {
        public override bool ConfirmsDeliveries => false;
    }

    private sealed class LocalRequest(ManagerSession session, Operation operation, TimeSpan wait, Action<ReadOnlyMemory<byte>>? undo, CancellationToken token)
        : HostedRequest(session, operation, wait)
    {
        private readonly PendingRequest pending = new(null!, operation, wait, RequestTraits.None, undo, token);

        public Task<ReadOnlyMemory<byte>> Task => pending.Task;

        // After the request was handed over: only then there is something to withdraw.
        public void Watch()
        {
            if (!pending.IsCompleted)
                pending.Watch(_ => Withdraw(WithdrawalReason.Canceled));
        }

        protected override void Send(ReadOnlySpan<byte> head, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
        {
            byte[] body = new byte[head.Length + first.Length + second.Length];
            head.CopyTo(body);
            first.CopyTo(body.AsSpan(head.Length));
            second.CopyTo(body.AsSpan(head.Length + first.Length));
            pending.Answer(body);
        }

        protected override void SendFailure(FailureKind kind, string message) => pending.Refuse(Failures.ToException(kind, message));

        // By the same way as to any other user, so that it reads the same.
        protected override void SendFailure(Exception thrown)
        {
            using PayloadWriter writer = new();
            RemoteFailure.Write(writer, thrown);
            PayloadReader reader = new(writer.WrittenMemory);
            pending.Refuse(RemoteFailure.Read(ref reader));
        }
    }
}
