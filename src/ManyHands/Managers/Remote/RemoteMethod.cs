using System.Reflection;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>A member of a service, as its users call it.</summary>
internal abstract class RemoteMethod(ServiceMethod method)
{
    protected ServiceMethod Method => method;

    public static RemoteMethod Create(ServiceMethod method) => (RemoteMethod)Activator.CreateInstance(
        typeof(RemoteMethod<>).MakeGenericType(method.ResultType), BindingFlags.Instance | BindingFlags.Public, null, [method], null)!;

    /// <summary>Calls it.</summary>
    /// <returns>What the member returns: a result, a task, or null.</returns>
    /// <exception cref="UnsendableCallException">An argument can't travel.</exception>
    public abstract object? Call(RemoteService service, object?[] arguments);

    protected void Write(PayloadWriter writer, object?[] arguments)
    {
        writer.WriteString(method.Signature);
        for (int i = 0; i < arguments.Length; i++)
        {
            try
            {
                method.Parameters[i]?.WriteObject(writer, arguments[i]);
            }
            catch (Exception reason) when (reason is UnsendableValueException or PayloadTooLargeException)
            {
                ParameterInfo parameter = method.Method.GetParameters()[i];
                throw new UnsendableCallException($"{method.Name}: the argument '{parameter.Name}' ({TypeNames.Of(parameter.ParameterType)}) can't travel: {ExceptionText.MessageOf(reason)}", reason);
            }
        }
    }

    protected CancellationToken Token(object?[] arguments) => method.TokenIndex < 0 ? default : (CancellationToken)arguments[method.TokenIndex]!;
}

/// <inheritdoc/>
internal sealed class RemoteMethod<TResult>(ServiceMethod method) : RemoteMethod(method)
{
    public override object? Call(RemoteService service, object?[] arguments)
    {
        using PayloadWriter writer = new();
        Write(writer, arguments);
        CancellationToken token = Token(arguments);
        if (Method.Form == ServiceForm.Blocking)
            return Read(service, service.Invoke(writer.WrittenMemory, token));

        // The request is sent before this returns, so the buffer can go.
        Task<TResult> task = CallAsync(service, writer.WrittenMemory, token);
        if (Method.Form == ServiceForm.Task)
            return task;
        return typeof(TResult) == typeof(NoResult) ? new ValueTask(task) : new ValueTask<TResult>(task);
    }

    private async Task<TResult> CallAsync(RemoteService service, ReadOnlyMemory<byte> body, CancellationToken token) =>
        Read(service, await service.InvokeAsync(body, token).ConfigureAwait(false));

    private TResult Read(RemoteService service, ReadOnlyMemory<byte> answer)
    {
        try
        {
            PayloadReader reader = new(answer);
            return Codec<TResult>.Instance.Read(ref reader);
        }
        catch (InvalidPayloadException damage)
        {
            throw new ManagerException(ManagerError.BadRequest, $"{service}: the result of {Method.Name} can't be read: {ExceptionText.MessageOf(damage)} Are both sides' types the same?", damage);
        }
    }
}
