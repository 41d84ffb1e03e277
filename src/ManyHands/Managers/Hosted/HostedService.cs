using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>
/// An object of the application's that clients call through an interface. What can be called is looked up in a table of the interface's members; no request names a type. The object's
/// code runs on the thread pool, never under the gate.
/// </summary>
internal sealed class HostedService : HostedObject
{
    private readonly object target;
    private readonly int limit;
    private readonly int largest;
    private readonly Dictionary<string, HostedMethod> methods = new(StringComparer.Ordinal);
    private readonly LinkedList<ServiceCall> waiting = new();
    private readonly HashSet<ServiceCall> running = [];

    /// <param name="largest">How many bytes an answer may have.</param>
    public HostedService(string name, Type contract, object target, ProxyOptions options, int largest)
        : base(name, ObjectKind.Service, TypeNames.Of(contract))
    {
        this.target = target;
        this.largest = largest;
        limit = options.MaxConcurrentCalls ?? int.MaxValue;
        HashSet<string> writable = [.. options.WritableProperties];
        foreach (ServiceMethod method in ServiceContract.Of(contract).Methods)
        {
            string? forbidden = method.Setter is null || writable.Contains(method.Setter)
                ? null
                : $"{method.Name} of '{name}' can only be read. To have it set by others, name it in ProxyOptions.WritableProperties where the object is registered.";
            methods.Add(method.Signature, HostedMethod.Create(contract, method, forbidden));
        }

        writable.ExceptWith(methods.Values.Select(one => one.Method.Setter).OfType<string>());
        if (writable.Count > 0)
            throw new ArgumentException($"{TypeName} has no property {string.Join(" and no ", writable)} with a setter; {nameof(ProxyOptions.WritableProperties)} names what it doesn't have.");
    }

    /// <summary>What can be called of it, and what can't.</summary>
    public IEnumerable<HostedMethod> Methods => methods.Values;

    /// <summary>How many calls run.</summary>
    public override long Count
    {
        get
        {
            lock (Gate)
                return running.Count;
        }
    }

    public override int Waiting
    {
        get
        {
            lock (Gate)
                return running.Count + waiting.Count;
        }
    }

    public override void Handle(HostedRequest request, ref PayloadReader body)
    {
        if (request.Operation != Operation.Invoke)
        {
            Unknown(request, Kind);
            return;
        }

        string signature = body.ReadRequiredString();
        if (!methods.TryGetValue(signature, out HostedMethod? method))
        {
            request.Refuse(FailureKind.BadRequest, $"The {TypeName} that '{Name}' was registered as has no {signature}. The two sides have different versions of the interface, or of a type in it (its layout is a hash of its fields): build both from the same source. Here it has {string.Join("; ", methods.Keys.Order(StringComparer.Ordinal))}.");
            return;
        }

        if (method.Forbidden is { } forbidden)
        {
            request.Refuse(FailureKind.BadRequest, forbidden);
            return;
        }

        ServiceCall call = new(this, request, method, body.ReadBytes(body.Remaining).ToArray());
        request.State = call;
        lock (Gate)
        {
            request.BeginWait(this);
            if (running.Count < limit)
                Start(call);
            else
                call.Place = waiting.AddLast(call);
        }

        // The session may have ended in between, and looked before this one was there.
        if (request.Session.IsEnded)
            Withdraw(request, WithdrawalReason.SessionEnded);
    }

    /// <summary>Has the method's token cancelled. Who waits hears of it when the method has ended, or at once if it hasn't begun.</summary>
    public override void Withdraw(HostedRequest request, WithdrawalReason reason)
    {
        if (request.State is not ServiceCall call)
            return;
        bool hasNotBegun;
        lock (Gate)
        {
            hasNotBegun = call.Place is not null;
            if (hasNotBegun)
                waiting.Remove(call.Place!);
            call.Place = null;
        }

        if (reason == WithdrawalReason.TimeOver)
            request.Refuse(new TimeoutException($"{call.Method.Name} of '{Name}' took longer than the client's CallTimeout."));
        else if (hasNotBegun)
            request.Refuse(FailureKind.Canceled, "Taken back before it was begun.");
        call.Cancel();
    }

    public override void Stop()
    {
        ServiceCall[] calls;
        lock (Gate)
        {
            calls = [.. running, .. waiting];
            waiting.Clear();
            foreach (ServiceCall call in calls)
                call.Place = null;
        }

        foreach (ServiceCall call in calls)
        {
            call.Request.Refuse(FailureKind.Gone, $"The manager has stopped, and '{Name}' with it.");
            call.Cancel();
        }
    }

    // Under the gate.
    private void Start(ServiceCall call)
    {
        running.Add(call);
        Guarded.Queue(GuardedEntry.ManagerRequest, call, static call => call.Execute(), static call => $"a call of {call.Method.Name}, which failed", static (call, reason) => call.Request.Fail(reason));
    }

    private void OnEnded(ServiceCall call)
    {
        lock (Gate)
        {
            running.Remove(call);
            if (running.Count >= limit || waiting.First is not { Value: var next })
                return;
            waiting.RemoveFirst();
            next.Place = null;
            Start(next);
        }
    }

#pragma warning disable CA1001 // Its source has no timer and no links, and may be cancelled at any time.
    private sealed class ServiceCall(HostedService service, HostedRequest request, HostedMethod method, byte[] arguments)
#pragma warning restore CA1001
    {
        private readonly CancellationTokenSource stop = new();

        public HostedRequest Request => request;

        public ServiceMethod Method => method.Method;

        public string ServiceName => service.Name;

        /// <summary>Among those that wait for their turn. Guarded by the gate.</summary>
        public LinkedListNode<ServiceCall>? Place { get; set; }

        // What follows the token is code of the application's, and whoever cancels may be reading from a connection.
        public void Cancel() => Guarded.Watch(GuardedEntry.ManagerRequest, stop.CancelAsync(), this, static call => $"what follows the token of {call.Method.Name} of '{call.ServiceName}'");

        public void Execute() => _ = RunAsync();

        private async Task RunAsync()
        {
            using PayloadWriter answer = new();
            try
            {
                await CallAsync(answer).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                request.Refuse(FailureKind.Canceled, $"{Method.Name} was cancelled.");
            }
            catch (UnsendableResultException reason)
            {
                request.Refuse(FailureKind.UnsendableResult, ExceptionText.MessageOf(reason));
            }
            catch (Exception reason)
            {
                request.Refuse(reason);
            }
            finally
            {
                service.OnEnded(this);
            }
        }

        private async ValueTask CallAsync(PayloadWriter answer)
        {
            stop.Token.ThrowIfCancellationRequested();
            object?[] values;
            try
            {
                values = method.ReadArguments(arguments, stop.Token);
            }
            catch (Exception damage)
            {
                request.Refuse(FailureKind.BadRequest, $"{Method.Name}: the arguments can't be read: {ExceptionText.MessageOf(damage)} Are both sides' types the same?");
                return;
            }

            await method.RunAsync(service.target, values, answer).ConfigureAwait(false);
            if (answer.Length > service.largest)
                request.Refuse(FailureKind.UnsendableResult, $"{Method.Name}: the result has {answer.Length:N0} bytes, and a message may have {service.largest:N0} (ManagerOptions.MaxMessageSize). Hand it out in parts.");
            else
                request.Answer(answer.WrittenSpan);
        }
    }
}
