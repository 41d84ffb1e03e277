using System.Collections.Concurrent;
using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;

namespace ManyHands.Calls;

/// <summary>
/// Finds which captured variables a lambda really uses. The compiler puts all variables that any lambda of a block captures into one object,
/// so that object holds more than this lambda needs, and what it doesn't need must not keep it from travelling.
/// </summary>
/// <remarks>
/// Reads the code of the lambda and of everything the compiler made of it: its state machine, lambdas and local functions inside it. What it calls beyond
/// that can't reach captured variables, whose holders have no names in C#.
/// </remarks>
internal static class UsedCaptures
{
    private static readonly OpCode?[] OneByte = new OpCode?[256];
    private static readonly OpCode?[] TwoBytes = new OpCode?[256];
    private static readonly ConcurrentDictionary<Type, bool> HolderTypes = new();

    // Lambdas that capture nothing are cached in such fields of the holder; the other side makes its own.
    private const string CachedDelegatePrefix = "<>9__";

    static UsedCaptures()
    {
        foreach (FieldInfo field in typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static))
        {
            OpCode code = (OpCode)field.GetValue(null)!;
            (code.Size == 1 ? OneByte : TwoBytes)[(byte)code.Value] = code;
        }
    }

    /// <summary>The metadata tokens of the captured fields that the function uses, all in its module; null if its code can't be read.</summary>
    public static HashSet<int>? Of(MethodInfo function)
    {
        HashSet<int> fields = [];
        HashSet<MethodBase> seen = [function];
        Queue<MethodBase> open = new([function]);
        try
        {
            while (open.TryDequeue(out MethodBase? method))
            {
                foreach (MethodBase next in Read(method, fields))
                {
                    if (next.Module == function.Module && seen.Add(next))
                        open.Enqueue(next);
                }
            }
        }
        catch (Exception unreadable) when (unreadable is NotSupportedException or ArgumentException or InvalidOperationException or BadImageFormatException or IndexOutOfRangeException or TypeLoadException)
        {
            return null;
        }

        return fields;
    }

    /// <summary>Whether a type was made by the compiler to hold captured variables.</summary>
    public static bool IsHolder(Type type) => HolderTypes.GetOrAdd(
        type,
        static type => type.Name.StartsWith("<>c", StringComparison.Ordinal) && type.IsDefined(typeof(CompilerGeneratedAttribute), inherit: false));

    private static List<MethodBase> Read(MethodBase method, HashSet<int> fields)
    {
        List<MethodBase> called = [];
        if (method.GetCustomAttribute<StateMachineAttribute>() is { } machine)
        {
            Type type = machine.StateMachineType;
            if (type.IsGenericTypeDefinition)
                type = type.MakeGenericType([.. TypeArguments(method), .. MethodArguments(method)]);
            called.AddRange(type.GetMethods(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly));
        }

        byte[] code = method.GetMethodBody()?.GetILAsByteArray() ?? [];
        for (int at = 0; at < code.Length;)
        {
            OpCode operation = code[at] == 0xFE ? TwoBytes[code[at + 1]]!.Value : OneByte[code[at]]!.Value;
            at += operation.Size;
            switch (operation.OperandType)
            {
                case OperandType.InlineField:
                    FieldInfo field = method.Module.ResolveField(BitConverter.ToInt32(code, at), TypeArguments(method), MethodArguments(method))!;
                    if (field.DeclaringType is { } owner && IsHolder(owner) && !field.Name.StartsWith(CachedDelegatePrefix, StringComparison.Ordinal))
                        fields.Add(field.MetadataToken);
                    break;
                case OperandType.InlineMethod:
                    MethodBase target = method.Module.ResolveMethod(BitConverter.ToInt32(code, at), TypeArguments(method), MethodArguments(method))!;
                    if (target.Name.StartsWith('<') || (target.DeclaringType is { } declaring && declaring.Name.StartsWith('<')))
                        called.Add(target);
                    break;
            }

            at += OperandSize(operation.OperandType, code, at);
        }

        return called;
    }

    private static int OperandSize(OperandType type, byte[] code, int at) => type switch
    {
        OperandType.InlineNone => 0,
        OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
        OperandType.InlineVar => 2,
        OperandType.InlineI8 or OperandType.InlineR => 8,
        OperandType.InlineSwitch => 4 + (4 * BitConverter.ToInt32(code, at)),
        _ => 4,
    };

    private static Type[] TypeArguments(MethodBase method) => method.DeclaringType is { IsGenericType: true } type ? type.GetGenericArguments() : [];

    private static Type[] MethodArguments(MethodBase method) => method.IsGenericMethod ? method.GetGenericArguments() : [];
}
