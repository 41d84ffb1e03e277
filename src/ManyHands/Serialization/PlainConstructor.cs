using System.Buffers.Binary;
using System.Reflection;

namespace ManyHands.Serialization;

/// <summary>
/// Recognizes constructors that do nothing but store their parameters, as those of positional records and anonymous types do. Only of
/// these it is certain beforehand that an object made with an object's values equals it.
/// </summary>
internal static class PlainConstructor
{
    private const byte Nop = 0x00;
    private const byte LoadThis = 0x02;
    private const byte LoadFirst = 0x03;
    private const byte LoadThird = 0x05;
    private const byte LoadNumbered = 0x0E;
    private const byte Call = 0x28;
    private const byte Return = 0x2A;
    private const byte StoreField = 0x7D;

    /// <summary>The field each parameter is stored in, by its position; null if the constructor does anything else.</summary>
    public static Dictionary<int, FieldInfo>? FieldsByParameter(ConstructorInfo constructor)
    {
        byte[]? code;
        try
        {
            code = constructor.GetMethodBody()?.GetILAsByteArray();
        }
        catch (Exception exception) when (exception is NotSupportedException or InvalidOperationException)
        {
            // Some dynamic assemblies don't show their code.
            return null;
        }

        return code is null ? null : Read(constructor, code);
    }

    private static Dictionary<int, FieldInfo>? Read(ConstructorInfo constructor, ReadOnlySpan<byte> code)
    {
        Dictionary<int, FieldInfo> stored = [];
        while (true)
        {
            switch (code)
            {
                case [Nop, .. var rest]:
                    code = rest;
                    break;
                case [Return]:
                    return stored;
                case [LoadThis, Call, _, _, _, _, .. var rest] when CallsObject(constructor, code[2..]):
                    code = rest;
                    break;
                case [LoadThis, >= LoadFirst and <= LoadThird, StoreField, _, _, _, _, .. var rest] when TryStore(constructor, code[1] - LoadFirst, code[3..], stored):
                    code = rest;
                    break;
                case [LoadThis, LoadNumbered, _, StoreField, _, _, _, _, .. var rest] when TryStore(constructor, code[2] - 1, code[4..], stored):
                    code = rest;
                    break;
                default:
                    return null;
            }
        }
    }

    private static bool TryStore(ConstructorInfo constructor, int parameter, ReadOnlySpan<byte> token, Dictionary<int, FieldInfo> stored)
    {
        Type type = constructor.DeclaringType!;
        FieldInfo? field = constructor.Module.ResolveField(BinaryPrimitives.ReadInt32LittleEndian(token), TypeArguments(type), null);
        return field is not null && stored.TryAdd(parameter, field);
    }

    private static bool CallsObject(ConstructorInfo constructor, ReadOnlySpan<byte> token) =>
        constructor.Module.ResolveMethod(BinaryPrimitives.ReadInt32LittleEndian(token), TypeArguments(constructor.DeclaringType!), null)?.DeclaringType == typeof(object);

    private static Type[]? TypeArguments(Type type) => type.IsGenericType ? type.GetGenericArguments() : null;
}
