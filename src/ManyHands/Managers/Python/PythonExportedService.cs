using System.Reflection;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>
/// An object behind an interface: its members under their own names, properties as <c>get_</c> and <c>set_</c>. A call goes the way of all others' calls, so that copies, turns, tokens and limits are the same.
/// </summary>
internal sealed class PythonExportedService : PythonExport
{
    /// <summary>What a proxy of Python's has itself; a method of that name would break it.</summary>
    private static readonly HashSet<string> Taken = ["_callmethod", "_connect", "_getvalue", "_incref", "_decref", "_close", "_id", "_token", "_tls", "_manager"];

    private readonly Dictionary<string, ServiceMethod[]> methods;

    public PythonExportedService(HostedService service, string typeId, string ident)
        : base(service, typeId, ident)
    {
        methods = service.Methods.Where(one => one.Forbidden is null && PythonExports.IsName(one.Method.Method.Name) && !Taken.Contains(one.Method.Method.Name))
            .GroupBy(one => one.Method.Method.Name, StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.Select(one => one.Method).ToArray(), StringComparer.Ordinal);
        Exposed = [.. methods.Keys.Order(StringComparer.Ordinal)];
    }

    public override IReadOnlyList<string> Exposed { get; }

    public override async Task<object?> CallAsync(PythonSession session, PythonArguments arguments)
    {
        (ServiceMethod method, ReadOnlyMemory<byte> body) = Bound(methods[arguments.Method], arguments);
        ReadOnlyMemory<byte> answer = await session.AskAsync(Hosted, Operation.Invoke, Timeout.InfiniteTimeSpan, body).ConfigureAwait(false);
        return method.ResultType == typeof(NoResult) ? null : Result(method, answer);
    }

    // The first overload that the arguments fit.
    private static (ServiceMethod Method, ReadOnlyMemory<byte> Body) Bound(ServiceMethod[] overloads, PythonArguments arguments)
    {
        Exception? first = null;
        foreach (ServiceMethod method in overloads)
        {
            try
            {
                return (method, Body(method, arguments));
            }
            catch (Exception refusal) when (refusal is PythonRaisedException or PythonConversionException)
            {
                first ??= refusal;
            }
        }

        if (overloads.Length == 1)
            throw first!;
        throw PythonRaisedException.Builtin("TypeError", $"{arguments.Method}(): the arguments fit none of {string.Join("; ", overloads.Select(one => one.Signature))}");
    }

    private static byte[] Body(ServiceMethod method, PythonArguments arguments)
    {
        ParameterInfo[] parameters = method.Method.GetParameters();
        int[] given = [.. Enumerable.Range(0, parameters.Length).Where(i => i != method.TokenIndex)];
        object?[] values = arguments.Bind(0, [.. given.Select(i => parameters[i].Name ?? "")]);
        using PayloadWriter writer = new();
        writer.WriteString(method.Signature);
        for (int i = 0; i < values.Length; i++)
        {
            ParameterInfo parameter = parameters[given[i]];
            if (values[i] == PythonArguments.Missing && !parameter.HasDefaultValue)
                throw PythonRaisedException.Builtin("TypeError", $"{arguments.Method}() missing 1 required positional argument: '{parameter.Name}'");
            try
            {
                object? value = values[i] == PythonArguments.Missing ? Default(parameter) : PythonConversion.Of(parameter.ParameterType).FromAny(values[i], new ConversionWork());
                method.Parameters[given[i]]!.WriteObject(writer, value);
            }
            catch (PythonConversionException problem)
            {
                throw problem.Within(parameter.Name ?? "argument");
            }
            catch (UnsendableValueException problem)
            {
                throw new PythonConversionException(parameter.Name ?? "argument", ExceptionText.MessageOf(problem), problem);
            }
        }

        return writer.WrittenSpan.ToArray();
    }

    // Of a struct, null stands for its default; of an enum, its number.
    private static object? Default(ParameterInfo parameter)
    {
        Type type = parameter.ParameterType;
        if (parameter.DefaultValue is null or Missing or DBNull)
            return type.IsValueType && Nullable.GetUnderlyingType(type) is null ? System.Runtime.CompilerServices.RuntimeHelpers.GetUninitializedObject(type) : null;
        return type.IsEnum ? Enum.ToObject(type, parameter.DefaultValue) : parameter.DefaultValue;
    }

    private static object? Result(ServiceMethod method, ReadOnlyMemory<byte> answer)
    {
        try
        {
            PayloadReader reader = new(answer);
            object? result = Codec.For(method.ResultType).ReadObject(ref reader);
            return PythonConversion.Of(method.ResultType).ToAny(result, new ConversionWork());
        }
        catch (PythonConversionException problem)
        {
            throw new PythonUnsendableException($"the result of {method.Name}: {ExceptionText.MessageOf(problem)}");
        }
    }
}
